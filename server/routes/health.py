"""Is it alive, is it ready, what is it. The first two need no key and tell no more than states."""

import asyncio
from typing import Final, Literal

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import Field

from config.redaction import Redactor
from mcp_config.registry import ToolRegistry
from mcp_config.sandbox.grants import Kind
from server.auth import Caller, needs_key
from server.db.store import Store
from server.errors import Unavailable
from server.resources.resource import Resource
from server.routes.dependencies import App, problems
from server.version import VERSION

router: Final = APIRouter(tags=["health"])

State = Literal["idle", "fetching", "starting", "warming", "ready", "degraded", "failed", "auth_required", "off"]
"""Of a tool server or a model. Only models are `fetching` and `warming`; a server that is not started is `off`, and one
that wants a login is `auth_required`."""

Status = Literal["ready", "unavailable", "draining"]
DatabaseState = Literal["ready", "failed"]


class Liveness(Resource):
    status: Literal["ok"] = "ok"


class Readiness(Resource):
    """`status` decides. Models and tool servers warm up in the background: runs wait for those they need."""

    status: Status
    database: DatabaseState
    models: dict[str, State] = Field(examples=[{"embedded:qwen2.5-coder-1.5b": "ready"}])
    mcp_servers: dict[str, State] = Field(examples=[{"time": "ready", "fetch": "starting"}])


class PartHealth(Resource):
    """How one part is, and why."""

    state: State
    detail: str


class ServerHealth(PartHealth):
    sandbox: Kind
    """What is in force: `bwrap`, `landlock` or `none`."""


class Info(Resource):
    name: Literal["open-agent"] = "open-agent"
    version: str
    models: dict[str, PartHealth]
    mcp_servers: dict[str, ServerHealth]


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", operation_id="get_liveness")
async def get_liveness() -> Liveness:
    """The process answers."""
    return Liveness()


@router.head("/readyz", include_in_schema=False)
@router.get(
    "/readyz",
    operation_id="get_readiness",
    responses={503: {"model": Readiness, "description": "Not to be sent requests now."}},
)
async def get_readiness(app: App, response: Response) -> Readiness:
    """The database answers in its present version, every required tool server is up, and no stop is under way."""
    status, database = await judge_readiness(app.store, app.tools, app.draining)
    response.status_code = 200 if status == "ready" else 503
    return Readiness(
        status=status,
        database=database,
        models={name: model.state for name, model in app.models.health().items()},
        mcp_servers={name: server.state for name, server in app.tools.health().items()},
    )


async def judge_readiness(store: Store, tools: ToolRegistry, draining: asyncio.Event) -> tuple[Status, DatabaseState]:
    """Returns whether requests are to be sent here now, and how the database is."""
    database = await _judge_database(store)
    needed = all(server.state in ("ready", "degraded") for server in tools.health().values() if server.required)
    if draining.is_set():
        return "draining", database
    return "ready" if database == "ready" and needed else "unavailable", database


async def _judge_database(store: Store) -> DatabaseState:
    try:
        await store.check()
    except Unavailable:
        return "failed"
    return "ready"


@router.get("/v1/info", operation_id="get_info", dependencies=[needs_key], responses=problems())
async def get_info(app: App, caller: Caller) -> Info:
    """The version, and how models and tool servers are, with reasons."""
    models, clean = app.models.health().items(), app.redactor.text
    return Info(
        version=VERSION,
        models={name: PartHealth(state=model.state, detail=clean(model.detail)) for name, model in models},
        mcp_servers=build_servers(app.tools, app.redactor),
    )


def build_servers(tools: ToolRegistry, redactor: Redactor) -> dict[str, ServerHealth]:
    """Returns how each tool server is. The reasons may be a server's last words, so they are redacted."""
    return {
        name: ServerHealth(state=server.state, detail=redactor.text(server.detail), sandbox=server.sandbox)
        for name, server in tools.health().items()
    }


@router.get(
    "/metrics",
    operation_id="get_metrics",
    dependencies=[needs_key],
    response_class=PlainTextResponse,
    responses=problems(),
)
async def get_metrics(app: App, caller: Caller) -> Response:
    """Runs, time to the first token, tool calls, tokens and how models and tool servers are, for Prometheus."""
    return Response(app.metrics.expose(), media_type=CONTENT_TYPE_LATEST)
