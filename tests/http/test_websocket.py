"""The stream of a run over WebSocket: the same events as over SSE, to the byte, and a close code that says why."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from websockets import ClientConnection, ConnectionClosed, Subprotocol, connect

from tests.http.serving import ADMIN_KEY, OTHER_KEY, USER_KEY, Served, build_settings, follow, open_served, start_run
from tests.support.scripted_model import Replies, ScriptedModel, prompted, says
from tests.support.waiting import PATIENCE, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def socket(
    served: Served, run_id: str, query: str = "", key: str | None = USER_KEY, protocols: list[str] | None = None
) -> AsyncIterator[ClientConnection]:
    url = f"{served.url.replace('http', 'ws', 1)}/v1/runs/{run_id}/ws{query}"
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    offered = [Subprotocol(each) for each in protocols or []]
    async with connect(
        url, additional_headers=headers, subprotocols=offered or None, max_size=None, proxy=None
    ) as connection:
        yield connection


async def hear(connection: ClientConnection) -> tuple[list[str], int, str]:
    """Returns all messages, and the code and the reason that the connection was closed with."""
    heard: list[str] = []
    with pytest.raises(ConnectionClosed) as closed:
        async with asyncio.timeout(PATIENCE):
            while True:
                heard.append(str(await connection.recv()))
    assert closed.value.rcvd is not None
    return heard, closed.value.rcvd.code, closed.value.rcvd.reason


async def told(model: ScriptedModel, client: httpx.AsyncClient, words: str) -> tuple[str, list[str]]:
    """Returns the id and the events of a run that has ended."""
    model.when(says(words), Replies.text("one ", "two ", "three"))
    run_id: str = (await start_run(client, words))["id"]
    return run_id, [sent.data for sent in await follow(client, run_id)]


async def test_every_suffix_is_that_of_the_other_stream(
    model: ScriptedModel, user: httpx.AsyncClient, served: Served
) -> None:
    run_id, log = await told(model, user, "socket suffixes")
    for after in range(len(log) + 1):
        async with socket(served, run_id, f"?after={after}") as connection:
            assert await hear(connection) == (log[after:], 1000, "ended")


async def test_events_come_as_they_happen_and_what_the_client_says_is_ignored(
    model: ScriptedModel, user: httpx.AsyncClient, served: Served
) -> None:
    gate = asyncio.Event()
    model.when(says("socket live"), Replies.text("first", "second").held(gate, after=1))
    run_id = (await start_run(user, "socket live"))["id"]
    async with socket(served, run_id) as connection:
        await connection.send('{"type": "run.cancel"}')
        heard = [str(await connection.recv())]
        while json.loads(heard[-1])["type"] != "model.delta":
            heard.append(str(await connection.recv()))
        gate.set()
        rest, code, _ = await hear(connection)
    assert code == 1000
    assert [*heard, *rest] == [sent.data for sent in await follow(user, run_id)]


async def test_a_browser_sends_its_key_as_a_protocol(
    model: ScriptedModel, user: httpx.AsyncClient, served: Served
) -> None:
    run_id, log = await told(model, user, "socket browser")
    encoded = base64.urlsafe_b64encode(USER_KEY.encode()).decode().rstrip("=")
    protocols = ["open-agent.events", f"open-agent.key.{encoded}"]
    async with socket(served, run_id, key=None, protocols=protocols) as connection:
        assert connection.subprotocol == "open-agent.events"
        assert await hear(connection) == (log, 1000, "ended")


@pytest.mark.parametrize(
    ("key", "protocols", "reason"),
    [
        (None, None, "no_api_key"),
        ("guess", None, "wrong_api_key"),
        (None, ["open-agent.events", "open-agent.key.!!"], "no_api_key"),
        (None, ["open-agent.events", "open-agent.key.Z3Vlc3M"], "wrong_api_key"),
    ],
)
async def test_who_has_no_key_hears_4401_and_nothing_else(
    model: ScriptedModel,
    user: httpx.AsyncClient,
    served: Served,
    key: str | None,
    protocols: list[str] | None,
    reason: str,
) -> None:
    run_id, _ = await told(model, user, f"socket keys {reason}")
    async with socket(served, run_id, key=key, protocols=protocols) as connection:
        assert await hear(connection) == ([], 4401, reason)


async def test_another_owners_run_is_not_there(model: ScriptedModel, user: httpx.AsyncClient, served: Served) -> None:
    run_id, _ = await told(model, user, "socket owners")
    for known, key in ((run_id, OTHER_KEY), (run_id[:-1] + "x", USER_KEY), ("no-run", ADMIN_KEY)):
        async with socket(served, known, key=key) as connection:
            assert await hear(connection) == ([], 4404, "run_not_found")


@pytest.mark.parametrize(
    ("after", "reason"), [("999", "unknown_cursor"), ("-1", "invalid_cursor"), ("x", "invalid_cursor")]
)
async def test_a_cursor_that_is_not_of_this_log_is_4400(
    model: ScriptedModel, user: httpx.AsyncClient, served: Served, after: str, reason: str
) -> None:
    run_id, _ = await told(model, user, f"socket cursor {after}")
    async with socket(served, run_id, f"?after={after}") as connection:
        assert await hear(connection) == ([], 4400, reason)


async def test_a_reader_who_leaves_ends_only_its_reading(
    model: ScriptedModel, user: httpx.AsyncClient, served: Served
) -> None:
    gate = asyncio.Event()
    model.when(says("socket leave"), Replies.text("before ", "after").held(gate, after=1))
    run_id = (await start_run(user, "socket leave"))["id"]
    async with socket(served, run_id) as connection:
        seen = json.loads(await connection.recv())["seq"]
    gate.set()
    async with socket(served, run_id, f"?after={seen}") as connection:
        rest, code, _ = await hear(connection)
    assert (code, [json.loads(each)["seq"] for each in rest]) == (1000, list(range(seen + 1, seen + 1 + len(rest))))
    assert json.loads(rest[-1])["type"] == "run.completed"


@pytest.mark.slow
async def test_a_server_that_stops_says_to_come_again(tmp_path: Path, model: ScriptedModel) -> None:
    model.when(says("socket drain"), Replies.text("half", "way").held(asyncio.Event(), after=1))
    async with open_served(build_settings(tmp_path, model.base_url, mcp_servers='{"mcpServers": {}}')) as served:
        async with served.client(USER_KEY) as client:
            run_id = (await start_run(client, "socket drain"))["id"]
        connecting = socket(served, run_id)
        connection = await connecting.__aenter__()
        assert json.loads(await connection.recv())["type"] == "run.started"
    assert (await hear(connection))[1] == 1012
    await connecting.__aexit__(None, None, None)


@pytest.mark.exhaustive
@pytest.mark.slow
async def test_a_reader_that_takes_nothing_is_dropped(tmp_path: Path, model: ScriptedModel) -> None:
    model.when(says("socket slow"), Replies.text(*("x" * 400_000 for _ in range(30))))
    model.when(prompted("running summary"), Replies.text("It was about x."))
    settings = build_settings(tmp_path, model.base_url, mcp_servers='{"mcpServers": {}}', reader_timeout=1)
    async with open_served(settings) as served, served.client(USER_KEY) as client:
        run_id = (await start_run(client, "socket slow"))["id"]
        log = [sent.data for sent in await follow(client, run_id)]
        url = f"{served.url.replace('http', 'ws', 1)}/v1/runs/{run_id}/ws"
        headers = {"Authorization": f"Bearer {USER_KEY}"}
        async with connect(url, additional_headers=headers, max_queue=1, max_size=None, proxy=None) as connection:
            await until(lambda: readers(client, 1))
            await until(lambda: readers(client, 0))
            heard = [str(message) async for message in dropped(connection)]
        assert heard == log[: len(heard)]
        assert 0 < len(heard) < len(log)
        last = json.loads(heard[-1])["seq"]
        async with socket(served, run_id, f"?after={last}") as connection:
            assert await hear(connection) == (log[last:], 1000, "ended")


async def readers(client: httpx.AsyncClient, count: int) -> bool:
    return f"open_agent_readers {count}.0" in (await client.get("/metrics")).text


async def dropped(connection: ClientConnection) -> AsyncIterator[str | bytes]:
    """Yields what still comes on a connection that was cut without a word."""
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            yield await connection.recv()
    assert closed.value.rcvd is None
