"""A server for a notebook: the one at `OPEN_AGENT_URL`, or one of its own that leaves nothing behind."""

import asyncio
import os
import secrets
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.known_secrets import find_secrets
from config.settings import load_settings
from server.app import build_app
from server.client import Client, open_client
from server.listening import address_of, bind
from server.logs import configure_logs
from server.serving import run_server


@dataclass(frozen=True)
class Connection:
    """A way to a server. `await connection.close()` when done; a server of the notebook's own ends with it."""

    url: str
    client: Client
    _owner: asyncio.Task[None]
    _leave: asyncio.Event

    async def close(self) -> None:
        self._leave.set()
        await self._owner


async def connect() -> Connection:
    """Reaches the server at `OPEN_AGENT_URL` with `OPEN_AGENT_API_KEY`; without the first, starts one."""
    url = os.environ.get("OPEN_AGENT_URL")
    if url is None:
        return await start_server()
    return await _hold(_there(url, os.environ.get("OPEN_AGENT_API_KEY", "")))


async def start_server(**settings: object) -> Connection:
    """Starts a server on a free port, with its data in a temporary folder. `settings` beat those of `.env`."""
    return await _hold(_own(settings))


@asynccontextmanager
async def _there(url: str, key: str) -> AsyncIterator[tuple[str, Client]]:
    async with open_client(url, key) as client:
        await client.conversations(limit=1)  # a wrong address or key is said here, and not later
        yield url, client


@asynccontextmanager
async def _own(given: Mapping[str, Any]) -> AsyncIterator[tuple[str, Client]]:
    key = secrets.token_urlsafe()
    with tempfile.TemporaryDirectory(prefix="open-agent-", ignore_cleanup_errors=True) as folder:
        fixed = {"data_dir": Path(folder), "port": 0, "api_keys": f"notebook=admin:{key}"}
        settings = load_settings(**{**fixed, "database_url": f"sqlite:///{folder}/app.db", **given})
        configure_logs("warning", "console", find_secrets(settings, settings.api_keys))
        bound = bind(settings.host, settings.port)
        up, stop = asyncio.Event(), asyncio.Event()
        serving = asyncio.create_task(run_server(build_app(settings), bound, up.set, stop))
        started = asyncio.create_task(up.wait())
        await asyncio.wait({serving, started}, return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        try:
            if not serving.done():
                async with _there(address_of(bound), key) as reached:
                    yield reached
        finally:
            stop.set()
            await serving


async def _hold(opening: AbstractAsyncContextManager[tuple[str, Client]]) -> Connection:
    """Opens it in a task of its own: every cell of a notebook is another task, and what one opens it has to close."""
    opened: asyncio.Future[tuple[str, Client]] = asyncio.get_running_loop().create_future()
    leave = asyncio.Event()

    async def own() -> None:
        async with opening as reached:
            opened.set_result(reached)
            await leave.wait()

    owner = asyncio.create_task(own())
    waits: set[asyncio.Future[Any]] = {owner, opened}  # one brings nothing, the other the connection
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    if owner.done():
        await owner
    url, client = opened.result()
    return Connection(url, client, owner, leave)
