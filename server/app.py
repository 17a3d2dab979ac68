"""The HTTP application: routes inside, the rings around them outside. Importing this, or building it, opens nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, TypedDict

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from typing_extensions import override

from config.settings import Settings
from server.application import Application
from server.auth import Authentication
from server.body import BodyLimit
from server.completions.refusals import OpenAIRefusals
from server.composition import open_application
from server.docs_page import add_docs_page
from server.edge import RequestEdge
from server.idempotency import Idempotency
from server.openapi import build_openapi
from server.problems import add_problem_responses
from server.redacted_problems import RedactedProblems
from server.routes import (
    agents,
    approvals,
    artifacts,
    audit,
    completions,
    conversations,
    credentials,
    definitions,
    health,
    mcp,
    mcp_servers,
    memories,
    messages,
    oauth,
    policies,
    runs,
    tokens,
    tools,
)
from server.version import VERSION

DESCRIPTION: Final = """\
A multi-agent backend. Make a conversation, add a message, start a run, follow its events.

Every error is an RFC 9457 problem with a stable `code` (on OpenAI's routes: OpenAI's error object with that code).
Ids sort by the time they were made. Lists are read page by page with `limit`, `after`, `before` and `order`."""

_ROUTERS: Final = (
    conversations.router,
    messages.router,
    runs.of_conversation,
    runs.router,
    runs.sockets,
    agents.router,
    definitions.router,  # before `tools`, to whom `changes` would be a tool
    tools.router,
    approvals.router,
    artifacts.of_run,
    artifacts.router,
    policies.router,
    audit.router,
    tokens.router,
    credentials.router,
    mcp_servers.router,
    oauth.router,
    memories.router,
    completions.router,
    health.router,
)


def _cross_origin(settings: Settings) -> list[Middleware]:
    """Lets pages of other origins call, where settings name some. Keys travel in a header; there are no cookies."""
    if not settings.cors_origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "Last-Event-ID", "X-Act-As"],
            expose_headers=["Content-Location", "ETag", "Location", "RateLimit", "Retry-After", "X-Request-Id"],
        )
    ]


class _Lifespan(TypedDict):
    application: Application


class _Api(FastAPI):
    @override
    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = build_openapi(self)
        return self.openapi_schema


def build_app(settings: Settings) -> FastAPI:
    """Returns the application; what it needs is opened when it is served, and closed after."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[_Lifespan]:
        async with open_application(settings) as application:
            yield {"application": application}

    app = _Api(
        title="open-agent",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        middleware=[
            *_cross_origin(settings),
            Middleware(OpenAIRefusals),
            Middleware(RedactedProblems),
            Middleware(RequestEdge),
            Middleware(Authentication),
            Middleware(BodyLimit, max_bytes=settings.max_body_bytes, seconds=settings.request_timeout),
            Middleware(Idempotency),
        ],
        openapi_url=None,  # both are ours, see docs_page.py
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.request_timeout = settings.request_timeout
    app.state.max_connections = settings.max_connections
    for router in _ROUTERS:
        app.include_router(router)
    app.router.routes.extend(mcp.ROUTES)
    add_docs_page(app)
    add_problem_responses(app)
    return app
