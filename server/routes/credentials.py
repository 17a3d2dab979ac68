"""The caller's own credentials for tool servers that want one of each user. What they are is never told again.

Serves the whole product and the gateway alone.
"""

from typing import Annotated, Final

from fastapi import Path, Response

from server.auth import Caller
from server.errors import NotFound
from server.resources.credentials import UserCredential, UserCredentials
from server.routes.bodies import CredentialBody
from server.routes.dependencies import build_router, problems
from server.routes.mcp_servers import House, TheHouse

router: Final = build_router("/v1/credentials", "credentials")
CredentialName = Annotated[str, Path(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$", examples=["GITHUB_TOKEN"])]
_NO_STORE: Final = "no-store"


@router.get("", operation_id="list_credentials")
async def list_credentials(app: TheHouse, caller: Caller, response: Response) -> UserCredentials:
    """Lists what servers want of each user and what the caller has stored: by name, never what it is."""
    response.headers["Cache-Control"] = _NO_STORE
    wanted, stored = _wanted(app), await app.user_credentials.stored(caller.name)
    names = sorted({*wanted, *stored})
    return UserCredentials(
        data=[UserCredential(name=n, servers=wanted.get(n, []), updated_at=stored.get(n)) for n in names]
    )


@router.put("/{name}", operation_id="set_credential", status_code=204, responses=problems(400, 404, 413, 415))
async def set_credential(
    app: TheHouse, caller: Caller, name: CredentialName, new: CredentialBody, response: Response
) -> None:
    """Stores the caller's own, in place of an earlier one. Sessions that knew them by that one end."""
    response.headers["Cache-Control"] = _NO_STORE
    if name not in _wanted(app):
        raise NotFound("credential_not_wanted", f"No server wants {name}; GET /v1/credentials lists what is wanted.")
    await app.user_credentials.set(caller, name, new.value.get_secret_value())
    app.tools.sessions.forget(caller.name)


@router.delete("/{name}", operation_id="delete_credential", status_code=204, responses=problems(404))
async def delete_credential(app: TheHouse, caller: Caller, name: CredentialName, response: Response) -> None:
    """Removes the caller's own. Sessions that knew them by it end."""
    response.headers["Cache-Control"] = _NO_STORE
    await app.user_credentials.delete(caller, name)
    app.tools.sessions.forget(caller.name)


def _wanted(app: House) -> dict[str, list[str]]:
    wanted: dict[str, list[str]] = {}
    for connection in app.tools.connections:
        for name in connection.config.credentials:
            wanted.setdefault(name, []).append(connection.config.name)
    return wanted
