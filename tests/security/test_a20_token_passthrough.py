"""A20: a caller's own key or token reaches no MCP server, by whatever way the call came."""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.gateway.peer import open_peer, words
from tests.http.serving import ADMIN_KEY, USER_KEY, Json, build_settings, open_served
from tests.support.http_server import build_server
from tests.support.waiting import until

KEYS: Final = (ADMIN_KEY, USER_KEY)


class Recorder:
    """An MCP server over HTTP that writes down every header it is sent."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.headers: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.headers += [f"{name.decode()}: {value.decode()}" for name, value in scope.get("headers", [])]
        await self._app(scope, receive, send)


@asynccontextmanager
async def open_recorder() -> AsyncIterator[tuple[Recorder, str]]:
    listener = socket.create_server(("127.0.0.1", 0))
    recorder = Recorder(build_server().streamable_http_app())
    config = uvicorn.Config(recorder, log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await until(lambda: server.started)
    try:
        yield recorder, f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
    finally:
        server.should_exit = True
        await serving


@pytest.mark.slow
async def test_no_server_is_sent_the_key_of_who_calls(tmp_path: Path) -> None:
    program = Path(__file__).parent.parent / "support" / "complete_server.py"
    async with open_recorder() as (recorder, url):
        servers: Json = {
            "web": {"url": url, "headers": {"Authorization": "Bearer the-servers-own"}},
            "child": {"command": sys.executable, "args": ["-I", "-S", str(program)]},
        }
        (tmp_path / "policies.yaml").write_text('rules: [{match: "*", verdict: allow}]')
        more = {"mcp_servers": json.dumps({"mcpServers": servers}), "tool_policies_file": tmp_path / "policies.yaml"}
        async with (
            open_served(build_settings(tmp_path, "http://127.0.0.1:9/v1", **more)) as served,
            open_peer(served, USER_KEY) as peer,
            served.client(ADMIN_KEY) as admin,
        ):
            assert words(await peer.call("web__echo", text="hi")) == "hi"
            given = words(await peer.call("child__record"))
            answer = await admin.post("/v1/tools/web__echo/invoke", json={"arguments": {"text": "hi"}})
            assert answer.json()["result"] == "hi"
        seen = "\n".join(recorder.headers) + given
        assert "Bearer the-servers-own" in seen
        assert not [key for key in KEYS if key in seen]
