"""F21 to F23: readers that leave, that are many, and that are slow."""

import asyncio
import re
import socket
import time
from datetime import UTC, datetime

import httpx
import psutil
import pytest

from graph.events import run_events
from tests.faults.conftest import Extent, Standing
from tests.faults.lab import check_numbers, get_run, start
from tests.http.serving import follow, parse_stream
from tests.support.scripted_model import Replies, says
from tests.support.waiting import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("faults"),
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(300),
]
_EVENTS = 30
_FAST = 50
"""Readers beside the slow one."""


async def reads(client: httpx.AsyncClient, count: int) -> bool:
    return f"\nopen_agent_readers {count}.0\n" in (await client.get("/metrics")).text


async def test_f21_a_client_that_leaves_ends_its_reading_and_not_the_run(
    standing: Standing, client: httpx.AsyncClient
) -> None:
    gate = asyncio.Event()
    standing.model.when(says("F21"), Replies.text("half ", "whole").held(gate, after=1))
    run_id = await start(client, "F21", "general")
    async with client.stream("GET", f"/v1/runs/{run_id}/events") as answer:
        assert answer.status_code == 200
        await until(lambda: reads(client, 1))
    await until(lambda: reads(client, 0))
    gate.set()
    sent = await follow(client, run_id)
    check_numbers(sent, after=0)
    assert (await get_run(client, run_id))["status"] == "completed"


async def test_f21_a_chat_client_that_leaves_cancels_the_run_that_was_for_it_alone(
    standing: Standing, client: httpx.AsyncClient
) -> None:
    standing.model.when(says("F21 chat"), Replies.text("half ", "never").stalled(after=1))
    body = {"model": "general", "messages": [{"role": "user", "content": "F21 chat"}], "stream": True}
    async with client.stream("POST", "/v1/chat/completions", json=body) as answer:
        run_id = answer.headers["X-Open-Agent-Run-Id"]
        async for line in answer.aiter_lines():
            if "half" in line:
                break

    async def cancelled() -> bool:
        return bool((await get_run(client, run_id))["status"] == "cancelled")

    await until(cancelled)
    await until((await standing.model.requested(says("F21 chat"))).gone.is_set)
    await until(lambda: reads(client, 0))


class Reader:
    """A client as small as can be: what is measured is the server, on the same machine."""

    def __init__(self) -> None:
        self.raw = bytearray()
        self.seen: list[float] = []
        """When the n-th event was there."""

    async def read(self, port: int, key: str, run_id: str, opened: asyncio.Semaphore) -> None:
        async with opened:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                f"GET /v1/runs/{run_id}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
            )
            await reader.readuntil(b"\r\n\r\n")
        while piece := await reader.read(65_536):
            self.raw += piece
            self.seen += [time.time()] * piece.count(b"\nevent: ")
            if piece.endswith(b"0\r\n\r\n"):
                break
        writer.close()
        await writer.wait_closed()


def unchunked(raw: bytes | bytearray) -> str:
    """Returns the body, as far as it came."""
    body, at = bytearray(), 0
    while (end := raw.find(b"\r\n", at)) > 0:
        size = int(raw[at:end], 16)
        body += raw[end + 2 : end + 2 + size]
        at = end + 2 + size + 2
    return body.decode()


@pytest.mark.exhaustive
async def test_f22_a_thousand_readers_all_get_all_of_it_in_time(
    standing: Standing, client: httpx.AsyncClient, extent: Extent
) -> None:
    server = psutil.Process(standing.running.process.pid)
    gate = asyncio.Event()
    words = Replies.text(*(f"word {n} " for n in range(_EVENTS))).paced(0.2)
    standing.model.when(says("F22"), words.held(gate))
    run_id = await start(client, "F22", "general")
    readers = [Reader() for _ in range(extent.readers)]
    opened = asyncio.Semaphore(100)
    port, key = int(standing.running.url.rpartition(":")[2]), standing.running.key
    reading = [asyncio.create_task(reader.read(port, key, run_id, opened)) for reader in readers]

    await until(lambda: reads(client, extent.readers))
    opened_at = datetime.now(UTC)
    gate.set()
    await asyncio.gather(*reading)
    told = {tuple(parse_stream(unchunked(bytes(reader.raw)))) for reader in readers}
    assert len(told) == 1, "all readers got the same bytes"
    sent = told.pop()
    check_numbers(sent, after=0)
    assert len(sent) > _EVENTS
    log = [run_events.validate_json(each.data) for each in sent]
    late = sorted(
        seen - event.at.timestamp()
        for reader in readers
        for seen, event in zip(reader.seen, log, strict=True)
        if event.at > opened_at
    )
    assert late[int(len(late) * 0.95)] < 1
    assert server.memory_info().rss < 300_000_000
    await until(lambda: reads(client, 0))


@pytest.mark.exhaustive
async def test_f23_a_slow_reader_is_dropped_and_resumes_and_the_fast_ones_do_not_notice(
    standing: Standing, client: httpx.AsyncClient
) -> None:
    standing.model.when(says("F23"), Replies.text(*(f"{n} {'x' * 250_000}" for n in range(24))).paced(0.01))
    run_id = await start(client, "F23", "general")
    port, key = int(standing.running.url.rpartition(":")[2]), standing.running.key
    narrow = socket.create_connection(("127.0.0.1", port))
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 262_144)
    slow, writer = await asyncio.open_connection(sock=narrow, limit=1024)
    writer.write(f"GET /v1/runs/{run_id}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
    await slow.readuntil(b"\r\n\r\n")
    fast, opened = [Reader() for _ in range(_FAST)], asyncio.Semaphore(_FAST)
    await asyncio.gather(*(reader.read(port, key, run_id, opened) for reader in fast))
    whole = await follow(client, run_id)
    check_numbers(whole, after=0)
    assert {tuple(parse_stream(unchunked(reader.raw))) for reader in fast} == {tuple(whole)}
    await until(lambda: reads(client, 0))
    raw = bytearray()
    while piece := await slow.read(1_000_000):
        raw += piece
    writer.close()
    await writer.wait_closed()
    got = len(re.findall(rb"\n\nid: (\d+)\nevent: [a-z.]+\ndata: [^\n]+(?=\n\n)", b"\n\n" + unchunked(raw).encode()))
    assert got < len(whole)
    rest = await follow(client, run_id, Last_Event_ID=str(got))
    assert rest == whole[got:]
