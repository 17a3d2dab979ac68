"""A proxy on loopback that keeps back what the server answers to one request, until the test lets it go."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class HoldingProxy:
    target: str
    held: bytes
    """How the path of the request ends."""
    url: str = ""
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = urlsplit(self.target)
        server, to_server = await asyncio.open_connection(address.hostname, address.port)
        let_go = asyncio.Event()
        let_go.set()

        async def ask() -> None:
            while piece := await reader.read(65536):
                if self.held + b" HTTP/1.1\r\n" in piece:
                    let_go.clear()
                to_server.write(piece)

        async def answer() -> None:
            while piece := await server.read(65536):
                if not let_go.is_set():
                    await self.gate.wait()
                writer.write(piece)

        try:
            with suppress(ConnectionError):
                await asyncio.gather(ask(), answer())
        finally:
            to_server.close()
            writer.close()


@asynccontextmanager
async def open_holding_proxy(target: str, held: bytes) -> AsyncIterator[HoldingProxy]:
    proxy = HoldingProxy(target, held)
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
