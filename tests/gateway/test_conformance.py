"""The public MCP conformance suite: its server checks at the gateway, its client checks at our client layer."""

import re
import sys
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from server.app import build_app
from tests.gateway.conformance_client import open_client
from tests.gateway.conftest import build_gateway_settings
from tests.gateway.node import install, node, run
from tests.gateway.npm_lock import CONFORMANCE, write_package
from tests.http.serving import USER_KEY, open_app

CLIENT = f"{sys.executable} -I -S {Path(__file__).with_name('conformance_call.py')}"
CANNOT = str(Path(__file__).with_name("conformance_failures.yml"))
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
    lock = CONFORMANCE.read_text()
    folder = request.config.cache.mkdir(f"conformance-{zlib.crc32(lock.encode()):08x}")
    write_package(folder, lock)
    installed = await install(folder, "ci", "--ignore-scripts")
    return str(installed / "@modelcontextprotocol" / "conformance" / "dist" / "index.js")


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


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The command that makes this process the suite's client."""
    path = tmp_path_factory.mktemp("client") / "line"
    async with open_client(path):
        yield f"{CLIENT} {path}"


@pytest.mark.parametrize("scenario", ["initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry"])
async def test_our_client_layer_passes(suite: str, client: str, scenario: str) -> None:
    code, printed = await run(node(), suite, "client", "--command", client, "--scenario", scenario)
    assert code == 0, printed


@pytest.mark.parametrize(("named", "passing"), [("auth", 14), ("backcompat", 1), ("draft", 3), ("extensions", 2)])
async def test_our_client_layer_logs_in_as_every_scenario_asks(
    suite: str, client: str, named: str, passing: int
) -> None:
    known = ("--suite", named, "--expected-failures", CANNOT, "--timeout", "60000")
    code, printed = await run(node(), suite, "client", "--command", client, *known, seconds=120)
    assert code == 0, printed
    assert len(re.findall(r"✓ auth/", printed)) == passing, printed
