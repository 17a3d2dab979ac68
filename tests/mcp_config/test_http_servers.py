"""Servers over streamable HTTP: the same promises as over stdio."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mcp_config.entries.server_config import ServerConfig
from tests.mcp_config.rig import chaos, hurried, open_rig
from tests.support.waiting import PATIENCE, until

PROGRAM = Path(__file__).parent.parent / "support" / "http_server.py"


@contextlib.asynccontextmanager
async def open_http_server(port: int = 0) -> AsyncIterator[int]:
    """Runs the server and gives its port; it is killed, not asked, at the end."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, str(PROGRAM), str(port), stdout=pipe)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            listening = int(await process.stdout.readline())
        yield listening
    finally:
        process.kill()
        await process.wait()


def web(port: int, **headers: str) -> ServerConfig:
    return ServerConfig(name="web", transport="http", url=f"http://127.0.0.1:{port}/mcp", headers=headers, prefix="web")


@pytest.mark.slow
async def test_calls_go_over_http_with_the_configured_headers() -> None:
    async with open_http_server() as port, open_rig(web(port, **{"x-canary": "tweet"})) as rig:
        assert rig.health("web").state == "ready"
        assert (await rig.call("web__echo", text="over http")).content == "over http"
        assert (await rig.call("web__header")).content == "tweet"


@pytest.mark.slow
async def test_too_big_an_answer_fails_and_the_server_is_reset() -> None:
    async with open_http_server() as port, open_rig(web(port), chaos("well")) as rig:
        result = await rig.call("web__big", size=9_000_000)
        assert (result.status, result.error_code) == ("error", "result_too_large")
        assert (await rig.call("web__echo", text="again")).content == "again"


@pytest.mark.slow
async def test_hanging_call_times_out_and_the_next_one_works() -> None:
    async with open_http_server() as port, open_rig(web(port), policies=hurried("web__hang", 0.5)) as rig:
        assert (await rig.call("web__hang")).status == "timeout"
        await rig.until("web", "ready")
        assert (await rig.call("web__echo", text="again")).content == "again"


@pytest.mark.slow
async def test_server_killed_in_a_call_and_started_again_is_used_again() -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with open_http_server() as port:
            rig = await stack.enter_async_context(
                open_rig(web(port), chaos("well"), policies=hurried("web__hang", 0.5))
            )
            call = asyncio.ensure_future(rig.call("web__hang"))
            await until(lambda: rig.ledger.entries == ["started web__hang"])
        assert (await call).status in ("error", "timeout")
        assert (await rig.call("well__echo", text="x")).content == "x"
        assert (await rig.call("web__echo", text="x")).status in ("error", "timeout")
        async with open_http_server(port):
            await rig.until("web", "ready")
            assert (await rig.call("web__echo", text="back")).content == "back"


async def test_server_that_cannot_be_reached_is_told_in_plain_words() -> None:
    async with open_rig(web(9), chaos("well")) as rig:
        assert (await rig.until("web", "failed")).detail == "cannot be reached"
        assert (await rig.call("well__echo", text="x")).content == "x"


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "needs login: the server answered 401"),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "the server answered 500"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://other.test/\r\nContent-Length: 0\r\n\r\n", "302"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<p/>", "content type: text/html"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "the server ended the session"),
    ],
)
async def test_refusal_is_told_in_plain_words(answer: bytes, detail: str) -> None:
    async def answer_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer_all, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        began = time.monotonic()
        async with open_rig(web(port)) as rig:
            assert detail in (await rig.until("web", "failed", "auth_required")).detail
        assert time.monotonic() - began < 5
