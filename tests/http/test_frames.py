"""The frames of a stream, from any source of events: what is sent, when, and how it ends."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from starlette.types import Message

from server.errors import Invalid
from server.sse import BROKEN, HEARTBEAT, RETRY, EventStream, frames, read_cursor
from tests.http.serving import Sent, parse_stream
from tests.support.waiting import PATIENCE


@dataclass(frozen=True)
class Event:
    seq: int
    type: str
    json: str


async def events(*sent: Event) -> AsyncIterator[Event]:
    for event in sent:
        yield event


async def silence() -> AsyncIterator[Event]:
    await asyncio.Event().wait()
    yield Event(1, "never", "{}")


async def broken() -> AsyncIterator[Event]:
    yield Event(1, "model.delta", "{}")
    raise RuntimeError("the database is gone")


async def test_the_stored_json_is_sent_untouched() -> None:
    stored = '{"delta":"\\n\\ndata: {}\\u2028é ","seq":  7}'
    sent = [frame async for frame in frames(events(Event(7, "model.delta", stored)), asyncio.Event())]
    assert sent == [RETRY, f"id: 7\nevent: model.delta\ndata: {stored}\n\n".encode()]


async def test_events_that_are_there_already_are_sent_together() -> None:
    story = [Event(seq, "model.delta", "{}") for seq in range(1, 201)]
    sent = [frame async for frame in frames(events(*story), asyncio.Event())]
    assert len(sent) == 2
    assert parse_stream(sent[1].decode()) == [Sent(str(event.seq), event.type, event.json) for event in story]


async def test_reading_ahead_of_a_slow_reader_is_bounded() -> None:
    read = 0

    async def endless() -> AsyncIterator[Event]:
        nonlocal read
        while True:
            read += 1
            yield Event(read, "model.delta", "x" * 10_000)

    stream = frames(endless(), asyncio.Event())
    assert [await anext(stream), len(await anext(stream)) > 10_000] == [RETRY, True]
    assert read < 20
    await stream.aclose()


async def test_silence_is_filled_with_heartbeats() -> None:
    stream = frames(silence(), asyncio.Event(), heartbeat=0.01)
    assert [await anext(stream) for _ in range(3)] == [RETRY, HEARTBEAT, HEARTBEAT]
    await stream.aclose()


async def test_draining_ends_the_stream_with_a_hint_to_come_back() -> None:
    draining = asyncio.Event()
    stream = frames(silence(), draining)
    assert await anext(stream) == RETRY
    draining.set()
    assert [frame async for frame in stream] == [RETRY]


async def test_a_reading_that_breaks_says_so_and_makes_no_event_of_it() -> None:
    sent = [frame async for frame in frames(broken(), asyncio.Event())]
    assert sent == [RETRY, b"id: 1\nevent: model.delta\ndata: {}\n\n", BROKEN]


async def test_a_reader_that_leaves_lets_the_source_go() -> None:
    let_go = asyncio.Event()

    async def source() -> AsyncIterator[Event]:
        try:
            await asyncio.Event().wait()
            yield Event(1, "never", "{}")
        finally:
            let_go.set()

    stream = frames(source(), asyncio.Event(), heartbeat=0.01)
    assert [await anext(stream), await anext(stream)] == [RETRY, HEARTBEAT]
    await stream.aclose()
    assert let_go.is_set()


@pytest.mark.parametrize(
    ("header", "query", "cursor"), [(None, None, 0), (None, "3", 3), ("5", "3", 5), ("0", "3", 0), ("", "3", 3)]
)
def test_the_header_wins_over_the_query(header: str | None, query: str | None, cursor: int) -> None:
    assert read_cursor(header, query) == cursor


@pytest.mark.parametrize("given", ["-1", "1.0", "x", "٣", "9" * 30, "1\n2"])
def test_a_cursor_that_is_no_number_is_refused(given: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_cursor(None, given)
    assert refused.value.code == "invalid_cursor"


async def test_a_reader_that_takes_nothing_is_dropped() -> None:
    async def stay() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def take_nothing(_: Message) -> None:
        await asyncio.Event().wait()

    response = EventStream(frames(events(Event(1, "model.delta", "{}")), asyncio.Event()), patience=0.05)
    async with asyncio.timeout(PATIENCE):
        await response({"type": "http"}, stay, take_nothing)


async def test_a_reader_that_goes_away_ends_the_response() -> None:
    async def leave() -> Message:
        return {"type": "http.disconnect"}

    async def take(_: Message) -> None: ...

    response = EventStream(frames(silence(), asyncio.Event()))
    async with asyncio.timeout(PATIENCE):
        await response({"type": "http"}, leave, take)
