"""The public MCP conformance suite: its server checks at the gateway, its client checks at our client layer."""

import re
import sys
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from server.app import build_app
from tests.gateway.conftest import build_gateway_settings
from tests.gateway.node import install, node, run
from tests.http.serving import USER_KEY, open_app

SUITE = "@modelcontextprotocol/conformance@0.1.16"
CLIENT = f"{sys.executable} -m tests.gateway.conformance_client"
pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("conformance")]


class WithKey:
    """Gives each request a key: the suite knows none."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "headers": [*scope["headers"], (b"authorization", f"Bearer {USER_KEY}".encode())]}
        await self._app(scope, receive, send)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def suite(request: pytest.FixtureRequest) -> str:
    assert request.config.cache is not None
    folder = request.config.cache.mkdir("conformance-0.1.16")
    return str(await install(folder, SUITE) / "@modelcontextprotocol" / "conformance" / "dist" / "index.js")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    settings = build_gateway_settings(tmp_path_factory.mktemp("conformance"))
    app: FastAPI = build_app(settings)
    app.add_middleware(WithKey)
    async with open_app(app, settings) as served:
        yield served.url


async def test_every_active_server_check_passes(suite: str, gateway: str) -> None:
    code, printed = await run(node(), suite, "server", "--url", f"{gateway}/mcp/complete")
    assert code == 0, printed
    assert re.search(r"Total: 40 passed, 0 failed", printed), printed


@pytest.mark.parametrize("scenario", ["initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry"])
async def test_our_client_layer_passes(suite: str, scenario: str) -> None:
    code, printed = await run(node(), suite, "client", "--command", CLIENT, "--scenario", scenario)
    assert code == 0, printed
