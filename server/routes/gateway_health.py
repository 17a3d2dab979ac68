"""Is the gateway alive, is it ready, what is it. The first two need no key and tell no more than states."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Request, Response

from server.gateway import GatewayApplication
from server.resources.resource import Resource
from server.routes.health import DatabaseState, Liveness, ServerHealth, State, Status, build_servers, judge_readiness
from server.version import VERSION

router: Final = APIRouter()


class GatewayReadiness(Resource):
    """`status` decides. Tool servers start in the background: calls wait for those they need."""

    status: Status
    database: DatabaseState
    mcp_servers: dict[str, State]


class GatewayInfo(Resource):
    name: Literal["open-agent gateway"] = "open-agent gateway"
    version: str
    mcp_servers: dict[str, ServerHealth]


def _application(request: Request) -> GatewayApplication:
    running: GatewayApplication = request.state.application
    return running


App = Annotated[GatewayApplication, Depends(_application)]


@router.get("/healthz")
async def get_liveness() -> Liveness:
    """The process answers."""
    return Liveness()


@router.get("/readyz")
async def get_readiness(app: App, response: Response) -> GatewayReadiness:
    """The database answers, every required tool server is up, and no stop is under way."""
    status, database = await judge_readiness(app.store, app.tools, app.draining)
    response.status_code = 200 if status == "ready" else 503
    states: dict[str, State] = {name: server.state for name, server in app.tools.health().items()}
    return GatewayReadiness(status=status, database=database, mcp_servers=states)


@router.get("/v1/info")
async def get_info(app: App) -> GatewayInfo:
    """The version, and how tool servers are, with reasons and the sandbox that is in force."""
    return GatewayInfo(version=VERSION, mcp_servers=build_servers(app.tools, app.redactor))
