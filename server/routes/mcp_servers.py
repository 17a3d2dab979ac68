"""Tool servers: how they are, and logging in to those that want it. Serves the whole product and the gateway alone."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Protocol

from fastapi import Depends, Path, Query, Request, Response

from config.redaction import Redactor
from mcp_config import tools
from mcp_config.entries.login_advice import build_login_advice, takes_login
from mcp_config.entries.login_terms import HOUSE
from mcp_config.entries.server_config import ServerConfig
from mcp_config.identity.login_attempt import LIFE_SECONDS, Attempt, LoginFailed, LoginNotNeeded
from mcp_config.identity.login_record import LoginRecord
from mcp_config.registry import ToolRegistry
from mcp_config.upstream.connection import Connection
from server.auth import Caller
from server.db.user_credentials import UserCredentials
from server.errors import Conflict, Forbidden, NotFound, Unavailable
from server.keys import Principal
from server.resources.mcp_servers import LoginState, McpServer, NewLogin, ServerLogin, StartedLogin
from server.resources.pages import Page
from server.routes.bodies import LoginBody
from server.routes.dependencies import WantedNames, build_router, problems
from server.routes.paging import build_page

router: Final = build_router("/v1/mcp/servers", "mcp servers")
ServerName = Annotated[str, Path(pattern=r"^[^/\x00-\x1f.][^/\x00-\x1f]{0,199}$", examples=["linear"])]
Shared = Annotated[bool, Query(description="Of the session that lists what the server offers (admins only).")]
_NO_STORE: Final = "no-store"
_OWN: Final = NewLogin()


class House(Protocol):
    """What has tool servers: the product, or the gateway alone."""

    @property
    def tools(self) -> ToolRegistry: ...

    @property
    def redactor(self) -> Redactor: ...

    @property
    def user_credentials(self) -> UserCredentials: ...


def house(request: Request) -> House:
    running: House = request.state.application
    return running


TheHouse = Annotated[House, Depends(house)]


@router.get("", operation_id="list_mcp_servers")
async def list_mcp_servers(app: TheHouse, caller: Caller, page: WantedNames) -> Page[McpServer]:
    """Lists the configured tool servers with how they are, and how the caller's logins to them stand."""
    servers = [await _resource(app, each, _whose(each.config, caller)) for each in app.tools.connections]
    return build_page(sorted(servers, key=lambda server: server.name), lambda server: server.name, page)


@router.get("/{name}", operation_id="get_mcp_server", responses=problems(404))
async def get_mcp_server(app: TheHouse, caller: Caller, name: ServerName, shared: Shared = False) -> McpServer:
    connection = _get_connection(app, name)
    return await _resource(app, connection, _whose(connection.config, caller, shared=shared))


@router.post("/{name}/login", operation_id="log_in_to_mcp_server", responses=problems(400, 403, 404, 409, 413, 415))
async def log_in_to_mcp_server(
    app: TheHouse, caller: Caller, name: ServerName, response: Response, wanted: LoginBody = _OWN
) -> StartedLogin:
    """Begins a login: open `authorization_url` in a browser within ten minutes. An earlier attempt ends.

    Servers whose login all share are an admin's to log in to; where each user logs in, it is the caller who does.
    """
    response.headers["Cache-Control"] = _NO_STORE
    config = _get_connection(app, name).config
    owner = _owner(config, caller, shared=wanted.shared)
    try:
        attempt = await app.tools.logins.begin(config, owner, tools.Caller(caller.name, role=caller.role))
    except LoginNotNeeded as error:
        raise Conflict("login_not_needed", f"{name} lets us in as it is: there is nothing to log in to.") from error
    except LoginFailed as error:
        raise Unavailable("login_failed", app.redactor.text(f"No login to {name}: {error}.")) from error
    until = datetime.now(UTC) + timedelta(seconds=LIFE_SECONDS)
    return StartedLogin(authorization_url=attempt.url, expires_at=until)


@router.delete(
    "/{name}/login", operation_id="log_out_of_mcp_server", status_code=204, responses=problems(403, 404, 409)
)
async def log_out_of_mcp_server(app: TheHouse, caller: Caller, name: ServerName, shared: Shared = False) -> None:
    """Forgets the login and all that was agreed on with its authorization server. Sessions that went with it end."""
    config = _get_connection(app, name).config
    owner = _owner(config, caller, shared=shared)
    if not await app.tools.logins.end(config, owner, tools.Caller(caller.name, role=caller.role)):
        raise NotFound("no_login", f"There is no login to {name}.")


def _get_connection(app: House, name: str) -> Connection:
    found = next((each for each in app.tools.connections if each.config.name == name), None)
    if found is None:
        raise NotFound("unknown_server", f"There is no MCP server {name!r}; GET /v1/mcp/servers lists those there are.")
    return found


def _owner(config: ServerConfig, caller: Principal, *, shared: bool) -> str:
    if not takes_login(config):
        detail = f"Nobody can log in to {config.name}: its entry says itself how it knows us, or it runs here."
        raise Conflict("login_not_possible", detail)
    owner = _whose(config, caller, shared=shared)
    if owner == HOUSE and caller.role != "admin":
        raise Forbidden("admin_only", f"All users share the login to {config.name}: it takes an admin to log in.")
    return owner


def _whose(config: ServerConfig, caller: Principal, *, shared: bool = False) -> str:
    return caller.name if config.per_user and not shared else HOUSE


async def _resource(app: House, connection: Connection, owner: str) -> McpServer:
    config, health = connection.config, app.tools.health()[connection.config.name]
    return McpServer(
        name=config.name,
        transport=config.transport,
        state=health.state,
        detail=app.redactor.text(health.detail),
        tools=health.tools,
        required=health.required,
        sandbox=health.sandbox,
        login=await _login(app, config, owner),
    )


async def _login(app: House, config: ServerConfig, owner: str) -> ServerLogin | None:
    if not takes_login(config):
        return None
    logins = app.tools.logins
    record, attempt = await logins.find(config, owner), logins.find_attempt(config, owner)
    state = _state(record, attempt)
    detail = build_login_advice(config, owner) if state in ("none", "failed") else ""
    if state == "failed" and attempt:
        earlier = "an earlier login is still in use; " if record and record.tokens else ""
        detail = app.redactor.text(f"{attempt.fault}; {earlier}{detail}")
    if state == "logged_in" and record and record.lacking:
        detail = f"it does not allow {record.lacking}; {build_login_advice(config, owner)}"
    return ServerLogin(state=state, per_user=config.per_user, detail=detail)


def _state(record: LoginRecord | None, attempt: Attempt | None) -> LoginState:
    if attempt is not None and not attempt.ended.is_set():
        return "pending"
    if attempt is not None and attempt.fault is not None:
        return "failed"
    return "logged_in" if record is not None and record.tokens is not None else "none"
