"""A real HTTP server on loopback that speaks OpenAI's (and Ollama's) chat API and answers by script.

    async with open_scripted_model() as model:
        model.when(plans, Replies.plan([{"agent": "general", "task": "greet"}]))
        model.when(says("hello"), Replies.text("Hi ", "there"))
        ...  # OPENAI_BASE_URL=model.base_url, in this process or another

Rules are tried in the order they were given. The replies of one rule are used up one by one, so concurrent requests
are told apart by what they ask and not by when they arrive; a function `request -> Reply` is never used up.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from tests.support.scripted_replies import (
    Match,
    Replies,
    Reply,
    ScriptedRequest,
    anything,
    has_result,
    offers,
    plans,
    plans_for,
    prompted,
    says,
)
from tests.support.scripted_wire import OllamaWire, OpenAIWire, Wire
from tests.support.waiting import PATIENCE

__all__ = [
    "Replies",
    "Reply",
    "ScriptedModel",
    "ScriptedRequest",
    "anything",
    "has_result",
    "offers",
    "open_scripted_model",
    "open_strict_model",
    "plans",
    "plans_for",
    "prompted",
    "says",
]

Answer = Reply | Callable[[ScriptedRequest], Reply]


@dataclass
class _Rule:
    match: Match
    replies: list[Answer]

    def take(self, request: ScriptedRequest) -> Reply | None:
        if not self.replies or not self.match(request):
            return None
        answer = self.replies[0]
        if not isinstance(answer, Reply):
            return answer(request)
        del self.replies[0]
        return answer


class ScriptedModel:
    """The server's face to a test: rules in, recorded requests out."""

    def __init__(self) -> None:
        self.requests: list[ScriptedRequest] = []
        """Every chat request, in order of arrival."""
        self.unscripted: list[ScriptedRequest] = []
        """Chat requests that no rule matched; they were answered with status 400."""
        self.port = 0
        self._rules: list[_Rule] = []
        self._arrived = asyncio.Condition()
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """For `OLLAMA_BASE_URL`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """For `OPENAI_BASE_URL`."""
        return f"{self.url}/v1"

    def when(self, match: Match, *replies: Answer) -> None:
        """Answers requests that match, each with the next reply; then the rules after this one are tried."""
        self._rules.append(_Rule(match, list(replies)))

    def always(self, match: Match, reply: Reply) -> None:
        """Answers every request that matches with the same reply."""
        self.when(match, lambda _: reply)

    def answer(self, *replies: Answer) -> None:
        """Answers the next requests, whatever they ask."""
        self.when(anything, *replies)

    async def requested(self, match: Match = anything, count: int = 1) -> ScriptedRequest:
        """Waits until `count` requests that match have arrived and returns the last of them."""

        def found() -> list[ScriptedRequest]:
            return [request for request in self.requests if match(request)]

        async with asyncio.timeout(PATIENCE), self._arrived:
            await self._arrived.wait_for(lambda: len(found()) >= count)
        return found()[count - 1]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                await self._serve(await _read_request(reader), reader, writer)
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(
        self, request: ScriptedRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answers until the answer is out or the client has hung up."""
        answering = asyncio.create_task(self._answer(request, writer))
        hang_up = asyncio.create_task(reader.read(1))
        try:
            await asyncio.wait({answering, hang_up}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                request.gone.set()
        finally:
            answering.cancel()
            hang_up.cancel()
            await asyncio.gather(answering, hang_up, return_exceptions=True)

    async def _answer(self, request: ScriptedRequest, writer: asyncio.StreamWriter) -> None:
        wire = _WIRES.get(request.path.rpartition("/")[2] if request.method == "POST" else "")
        if wire is None:
            await _send_whole(writer, 200, _MODELS)
            return
        async with self._arrived:
            self.requests.append(request)
            self._arrived.notify_all()
        await _deliver(writer, wire, self._reply_to(request), request)

    def _reply_to(self, request: ScriptedRequest) -> Reply:
        for rule in self._rules:
            if reply := rule.take(request):
                return reply
        self.unscripted.append(request)
        return Replies.error(400, f"no scripted reply matches {request.last_user!r} (tools: {request.tools})")

    async def close(self) -> None:
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)


@contextlib.asynccontextmanager
async def open_scripted_model() -> AsyncIterator[ScriptedModel]:
    """Serves on a free port of 127.0.0.1 until left; every connection is then ended."""
    model = ScriptedModel()
    server = await asyncio.start_server(model._connected, "127.0.0.1", 0)
    model.port = server.sockets[0].getsockname()[1]
    try:
        yield model
    finally:
        server.close()
        await model.close()
        await server.wait_closed()


@contextlib.asynccontextmanager
async def open_strict_model() -> AsyncIterator[ScriptedModel]:
    """As `open_scripted_model`, and a request that no rule expected fails whoever leaves."""
    async with open_scripted_model() as model:
        yield model
    assert not model.unscripted, [(request.last_user, request.tools) for request in model.unscripted]


_WIRES: Mapping[str, Wire] = {"completions": OpenAIWire(), "chat": OllamaWire()}
_MODELS = json.dumps({"object": "list", "data": [{"id": "scripted", "object": "model", "owned_by": "tests"}]}).encode()


async def _read_request(reader: asyncio.StreamReader) -> ScriptedRequest:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return ScriptedRequest(method, path.partition("?")[0], headers, json.loads(body) if body else {})


async def _deliver(writer: asyncio.StreamWriter, wire: Wire, reply: Reply, request: ScriptedRequest) -> None:
    if reply.status != 200:
        await _send_whole(writer, reply.status, wire.error(reply), reply.headers)
    elif request.body.get("stream", wire.streams_by_default):
        await _stream(writer, wire, reply, request)
    else:
        await _interrupt(writer, reply)
        await _send_whole(writer, 200, b"<html>" if reply.fault == "garbage" else wire.whole(reply, request))


async def _stream(writer: asyncio.StreamWriter, wire: Wire, reply: Reply, request: ScriptedRequest) -> None:
    """Chunked, so that a stream that breaks off differs from one that has ended."""
    fixed = {"content-type": wire.media_type, "transfer-encoding": "chunked"}
    await _send_head(writer, 200, {**fixed, **reply.headers})
    pieces = wire.pieces(reply, request)
    for piece in pieces[: reply.after]:
        await _send_chunk(writer, piece)
        await asyncio.sleep(reply.pace)
    await _interrupt(writer, reply)
    if reply.fault == "garbage":
        await _send_chunk(writer, b"data: {not json\n\n")
    ending = [] if reply.fault == "unfinished" else wire.ending(reply, request)
    for piece in [*pieces[reply.after :], *ending, b""]:
        await _send_chunk(writer, piece)
        await asyncio.sleep(reply.pace)


async def _interrupt(writer: asyncio.StreamWriter, reply: Reply) -> None:
    if reply.gate:
        await reply.gate.wait()
    if reply.fault == "reset":
        writer.transport.abort()
        raise ConnectionResetError
    if reply.fault == "stall":
        await asyncio.Event().wait()


async def _send_whole(
    writer: asyncio.StreamWriter, status: int, body: bytes, headers: Mapping[str, str] | None = None
) -> None:
    fixed = {"content-type": "application/json", "content-length": str(len(body))}
    await _send_head(writer, status, {**fixed, **(headers or {})})
    await _send(writer, body)


async def _send_head(writer: asyncio.StreamWriter, status: int, headers: Mapping[str, str]) -> None:
    """No keep-alive: each connection carries one request, so that its end is the end of the reply."""
    lines = [f"HTTP/1.1 {status} Scripted", "connection: close", *(f"{name}: {text}" for name, text in headers.items())]
    await _send(writer, "\r\n".join([*lines, "", ""]).encode())


async def _send_chunk(writer: asyncio.StreamWriter, piece: bytes) -> None:
    await _send(writer, b"%x\r\n%b\r\n" % (len(piece), piece))


async def _send(writer: asyncio.StreamWriter, piece: bytes) -> None:
    writer.write(piece)
    await writer.drain()
