"""A proxy on loopback that cuts streams in the middle: what a bad network does to a long answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class CuttingProxy:
    target: str
    after: int
    """Bytes of an answer to a request for events that come through before the cut; twice as many the next time."""
    url: str = ""
    cuts: int = 0
    answers: list[bytes] = field(default_factory=list)
    """Given, one each, to the next requests for events, which then do not reach the server."""
    cursors: list[str] = field(default_factory=list)
    """The `Last-Event-ID` of each request for events; empty where there was none."""

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._pass_on(await reader.readuntil(b"\r\n\r\n"), reader, writer)
        finally:
            writer.close()

    async def _pass_on(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fields = dict(line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:] if line)
        body = await reader.readexactly(int(fields.get("content-length", 0)))
        follows = b"/events " in head.split(b"\r\n", 1)[0]
        if follows:
            self.cursors.append(fields.get("last-event-id", ""))
            if self.answers:
                writer.write(self.answers.pop(0))
                return
        address = urlsplit(self.target)
        server, to_server = await asyncio.open_connection(address.hostname, address.port)
        try:
            to_server.write(head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) + body)
            await self._bring_back(server, writer, self.after if follows else None)
        finally:
            to_server.close()

    async def _bring_back(self, server: asyncio.StreamReader, writer: asyncio.StreamWriter, room: int | None) -> None:
        while piece := await server.read(64 if room else 65536):
            writer.write(piece)
            await writer.drain()
            if room is not None:
                room -= len(piece)
                if room <= 0:
                    self.cuts += 1
                    self.after *= 2
                    writer.transport.abort()
                    return


@asynccontextmanager
async def open_cutting_proxy(target: str, after: int) -> AsyncIterator[CuttingProxy]:
    proxy = CuttingProxy(target, after)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(proxy.connected(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
