"""A10. Bodies that are too big, endless, packed or slow: refused soon, and nothing of them is kept in memory."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest
import pytest_asyncio

from tests.http.serving import USER_KEY, Served, build_settings, open_served
from tests.support.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

HEAD = f"POST /v1/conversations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {USER_KEY}\r\n"
JSON = "Content-Type: application/json\r\n"
MEGABYTE = b"x" * 1_000_000
CAP = 100_000
"""Less than is set by default, for it must have come within `PATIENCE` also on a busy machine."""
PATIENCE = 1.0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    folder: Path = tmp_path_factory.mktemp("floods")
    more: dict[str, object] = {"mcp_servers": '{"mcpServers": {}}', "request_timeout": PATIENCE, "max_body_bytes": CAP}
    async with open_served(build_settings(folder, "http://127.0.0.1:1/v1", **more)) as served:
        yield served


@asynccontextmanager
async def connected(served: Served) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]))
    try:
        async with asyncio.timeout(60):
            yield reader, writer
    finally:
        writer.close()


async def answer_of(reader: asyncio.StreamReader) -> str:
    """Returns one answer, and leaves the connection as it is."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
    return head + (await reader.readexactly(length)).decode()


async def rest(reader: asyncio.StreamReader) -> str:
    """Returns all that the server says until it hangs up."""
    said = b""
    try:
        while part := await reader.read(65_536):
            said += part
    except ConnectionResetError:
        pass  # it hung up while we were still sending
    return said.decode()


async def test_one_connection_more_than_there_may_be_is_turned_away_and_others_are_not(tmp_path: Path) -> None:
    more: dict[str, object] = {"mcp_servers": '{"mcpServers": {}}', "max_connections": 3}
    async with open_served(build_settings(tmp_path, "http://127.0.0.1:9", **more)) as served:
        address = httpx.URL(served.url)
        held = [await asyncio.open_connection(address.host, address.port) for _ in range(3)]
        async with httpx.AsyncClient(base_url=served.url, trust_env=False) as late:
            refused = await late.get("/healthz")
            assert (refused.status_code, refused.json()["code"]) == (503, "too_many_connections")
            assert refused.headers["Retry-After"] == "5"
            _, writer = held.pop()
            writer.close()

            async def is_let_in() -> bool:
                return bool((await late.get("/healthz")).status_code == 200)

            await until(is_let_in)
        for _, writer in held:
            writer.close()


async def test_a_body_that_says_that_it_is_big_is_refused_unread(served: Served) -> None:
    async with connected(served) as (reader, writer):
        writer.write(f"{HEAD}{JSON}Content-Length: 50000000\r\n\r\n".encode())
        said = await answer_of(reader)
        assert said.startswith("HTTP/1.1 413")
        assert "body_too_large" in said


async def test_endless_chunks_are_cut_off_at_the_cap_and_memory_stays_flat(served: Served) -> None:
    before = psutil.Process().memory_info().rss
    async with connected(served) as (reader, writer):
        writer.write(f"{HEAD}{JSON}Transfer-Encoding: chunked\r\n\r\n".encode())
        answer = asyncio.create_task(answer_of(reader))
        sent, refused_at, chunk = 0, 0, MEGABYTE[: CAP // 10]
        with suppress(ConnectionError):  # in the end the server hangs up, whatever still comes
            while not reader.at_eof():
                writer.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                await writer.drain()
                sent += len(chunk)
                refused_at = refused_at or (sent if answer.done() else 0)
        assert (await answer).startswith("HTTP/1.1 413")
        assert CAP <= refused_at < 100_000_000  # what the kernel holds in between is sent, too
    assert psutil.Process().memory_info().rss - before < 100_000_000


async def test_a_packed_body_is_not_unpacked(served: Served) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    async with served.client(USER_KEY) as client:
        for encoding in ("gzip", "br", "identity, gzip", "GZIP"):
            headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
            answer = await client.post("/v1/conversations", content=bomb, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_content_encoding")
        plain = {"Content-Encoding": "identity", "Content-Type": "application/json"}
        assert (await client.post("/v1/conversations", content=b"{}", headers=plain)).status_code == 201


async def test_a_body_that_does_not_come_is_given_up(served: Served) -> None:
    async with connected(served) as (reader, writer):
        writer.write(f"{HEAD}{JSON}Content-Length: 10\r\n\r\n{{".encode())
        said = await answer_of(reader)
        assert said.startswith("HTTP/1.1 408")
        assert "request_timeout" in said


@pytest.mark.parametrize("beginning", [b"", b"GET / HTTP/1.1\r\nX: ", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET"])
async def test_headers_that_do_not_come_are_given_up_also_drop_by_drop(served: Served, beginning: bytes) -> None:
    async with connected(served) as (reader, writer):
        writer.write(beginning)
        answer = asyncio.create_task(rest(reader))
        while not answer.done():
            if beginning:
                writer.write(b"a")  # what keeps a naive server waiting
            await asyncio.wait({answer}, timeout=0.1)
        assert (await answer).endswith("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")


async def test_endless_headers_are_cut_off(served: Served) -> None:
    async with connected(served) as (reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\nX-Long: " + MEGABYTE)
        said = await rest(reader)
        assert said.startswith("HTTP/1.1 400") or not said


async def test_pages_of_other_origins_are_told_nothing_unless_settings_name_them(
    served: Served, tmp_path: Path
) -> None:
    asking = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}
    async with served.client(None) as page:
        assert "access-control-allow-origin" not in (await page.options("/v1/conversations", headers=asking)).headers
    more: dict[str, object] = {"mcp_servers": '{"mcpServers": {}}', "cors_origins": "https://app.example.com"}
    async with (
        open_served(build_settings(tmp_path, "http://127.0.0.1:1/v1", **more)) as opened,
        opened.client(None) as page,
    ):
        allowed = await page.options("/v1/conversations", headers=asking)
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, "https://app.example.com")
        assert "access-control-allow-credentials" not in allowed.headers
        refused = await page.get("/v1/conversations", headers={"Origin": "https://app.example.com"})
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "https://app.example.com")
        foreign = await page.get("/healthz", headers={"Origin": "https://evil.example.com"})
        assert "access-control-allow-origin" not in foreign.headers
