"""The HTTP application of `open-agent gateway`: `/mcp`, health, logins, credentials, definitions, in all the rings."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

from fastapi import FastAPI
from starlette.middleware import Middleware

from config.settings import Settings
from server.auth import Authentication
from server.body import BodyLimit
from server.edge import RequestEdge
from server.gateway import GatewayApplication, open_gateway_application
from server.problems import add_problem_responses
from server.routes import audit, credentials, definitions, gateway_health, mcp, mcp_servers, oauth
from server.version import VERSION


class _Lifespan(TypedDict):
    application: GatewayApplication


def build_gateway_app(settings: Settings) -> FastAPI:
    """Returns the application; what it needs is opened when it is served, and closed after."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[_Lifespan]:
        async with open_gateway_application(settings) as application:
            yield {"application": application}

    app = FastAPI(
        title="open-agent gateway",
        version=VERSION,
        lifespan=lifespan,
        middleware=[
            Middleware(RequestEdge),
            Middleware(Authentication),
            Middleware(BodyLimit, max_bytes=settings.max_body_bytes, seconds=settings.request_timeout),
        ],
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.request_timeout = settings.request_timeout
    app.state.max_connections = settings.max_connections
    for room in (gateway_health, mcp_servers, oauth, definitions, credentials, audit):
        app.include_router(room.router)
    app.router.routes.extend(mcp.ROUTES)
    add_problem_responses(app)
    return app
