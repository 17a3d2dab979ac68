"""A proxy before PostgreSQL that loses the word that a transaction was committed: the connection just ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

_COMMIT = b"COMMIT"


@dataclass
class LossyPostgres:
    """Cuts the connection after the server's answer to the next COMMIT that follows `marked` words, once armed."""

    socket: Path
    marked: bytes = b""
    cuts: int = 0
    connections: set[asyncio.Task[None]] = field(default_factory=set)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._connect(reader, writer))
        self.connections.add(connection)
        connection.add_done_callback(self.connections.discard)
        with suppress(asyncio.CancelledError):
            await asyncio.wait([connection])

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_unix_connection(str(self.socket))
        asked = [b""]
        there = asyncio.create_task(self._pass_on(reader, to_server, asked))
        back = asyncio.create_task(self._bring_back(server, writer, asked))
        try:
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (there, back):
                task.cancel()
            await asyncio.gather(there, back, return_exceptions=True)
            for each in (writer, to_server):
                each.close()
                with suppress(ConnectionError):
                    await each.wait_closed()

    async def _pass_on(self, reader: asyncio.StreamReader, to_server: asyncio.StreamWriter, asked: list[bytes]) -> None:
        with suppress(ConnectionError):
            while piece := await reader.read(65536):
                asked[0] += piece
                to_server.write(piece)
                await to_server.drain()

    async def _bring_back(self, server: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: list[bytes]) -> None:
        with suppress(ConnectionError):
            while piece := await server.read(65536):
                if _COMMIT in asked[0]:
                    if self.marked and self.marked in asked[0]:
                        self.marked, self.cuts = b"", self.cuts + 1
                        return
                    asked[0] = b""
                writer.write(piece)
                await writer.drain()


@asynccontextmanager
async def open_lossy_postgres(url: str, folder: Path) -> AsyncIterator[tuple[LossyPostgres, str]]:
    """Yields the proxy of the server at `url` (on a Unix socket), and the address to reach it by."""
    parts = urlsplit(url)
    (home,) = parse_qs(parts.query)["host"]
    proxy = LossyPostgres(Path(home) / ".s.PGSQL.5432")
    server = await asyncio.start_unix_server(proxy.connected, str(folder / ".s.PGSQL.5432"))
    try:
        yield proxy, url.replace(home, str(folder))
    finally:
        server.close()
        for connection in proxy.connections:
            connection.cancel()
        await asyncio.gather(*proxy.connections, return_exceptions=True)
        await server.wait_closed()
