"""A key that is revoked ends what is open with it: event streams, sockets and the streams of MCP sessions."""

import asyncio
import base64
from typing import Final

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.http.serving import Json, start_run
from tests.security.house import House
from tests.support.scripted_model import Replies, says

pytestmark = pytest.mark.asyncio(loop_scope="session")
GREETING: Final[Json] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
ACCEPT: Final = {"Accept": "application/json, text/event-stream"}


async def test_a_revoked_key_reads_no_stream_any_further(house: House) -> None:
    made = (await house.admin.post("/v1/tokens", json={"name": "rhea"})).raise_for_status().json()
    await house.govern(rules=[{"match": "house__send", "verdict": "ask"}])
    await house.hire("waits", "house__*")
    house.model.when(says("wait for me"), Replies.tool("house__send", {"to": "x"}))
    async with house.served.client(made["token"]) as rhea:
        run = await start_run(rhea, "wait for me", "waits")  # and it does: for a person
        session = (await rhea.post("/mcp", json=GREETING, headers=ACCEPT)).headers["mcp-session-id"]
        opened = [
            _read(rhea, f"/v1/runs/{run['id']}/events", {}),
            _read(rhea, "/mcp", {**ACCEPT, "Mcp-Session-Id": session}),
            _listen(house.served.url, made["token"], run["id"]),
        ]
        reading = [asyncio.create_task(each) for each in opened]
        done, _ = await asyncio.wait(reading, timeout=0.3)
        assert not done, [task.result() for task in done]
        assert (await house.admin.delete(f"/v1/tokens/{made['id']}")).status_code == 204
        await asyncio.wait_for(asyncio.gather(*reading), 5)
        assert (await rhea.get(f"/v1/runs/{run['id']}")).status_code == 401


async def _read(client: httpx.AsyncClient, path: str, headers: dict[str, str]) -> None:
    """Returns at the end of the stream: an ordinary one, so that a browser comes back, and is told why."""
    async with client.stream("GET", path, headers=headers, timeout=30) as answer:
        assert answer.status_code == 200
        async for _ in answer.aiter_bytes():
            pass


async def _listen(url: str, key: str, run_id: str) -> None:
    """Returns when the socket is closed with the code of a key that is none."""
    protocol = "open-agent.key." + base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")
    address = f"{url.replace('http', 'ws')}/v1/runs/{run_id}/ws"
    async with connect(address, subprotocols=["open-agent.events", protocol], proxy=None) as socket:  # type: ignore[list-item]
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401
