"""A client that hangs up: its run is cancelled, or goes on if that was asked for."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.completions.asking import ask
from tests.http.serving import USER_KEY, Json, Served, build_settings, ended, open_served
from tests.support.scripted_model import Replies, ScriptedModel, says
from tests.support.waiting import PATIENCE

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def detaching(model: ScriptedModel, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    settings = build_settings(
        tmp_path_factory.mktemp("detaching"),
        model.base_url,
        mcp_servers='{"mcpServers": {}}',
        completions_on_disconnect="detach",
    )
    async with open_served(settings) as served, served.client(USER_KEY) as client:
        yield client


async def hang_up(client: httpx.AsyncClient, question: str, headers: Mapping[str, str] | None = None) -> str:
    """Leaves a stream after its first words and returns the run's id."""
    body = {"model": "general", "messages": [{"role": "user", "content": question}], "stream": True}
    async with client.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer:
        async for line in answer.aiter_lines():
            if "well" in line:
                break
        return answer.headers["X-Open-Agent-Run-Id"]


async def test_a_lost_stream_cancels_the_run_down_to_the_model(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(says("leave me"), Replies.text("well", "never").held(asyncio.Event(), after=1))
    run_id = await hang_up(user, "leave me")
    assert (await ended(user, run_id))["status"] == "cancelled"
    await asyncio.wait_for((await model.requested(says("leave me"))).gone.wait(), PATIENCE)


async def test_a_lost_client_that_waits_for_the_whole_cancels_the_run(
    model: ScriptedModel, user: httpx.AsyncClient
) -> None:
    model.when(says("leave me waiting"), Replies.text("well", "never").held(asyncio.Event(), after=1))
    asking = asyncio.create_task(ask(user, ("user", "leave me waiting")))
    request = await model.requested(says("leave me waiting"))
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await asyncio.wait_for(request.gone.wait(), PATIENCE)
    assert (await ended(user, await newest_run(user)))["status"] == "cancelled"


async def test_a_lost_client_ends_its_task(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(says("an emoji, never"), Replies.text("x", "y").held(asyncio.Event(), after=1))
    headers = {"X-OpenWebUI-Task": "emoji_generation"}
    asking = asyncio.create_task(ask(user, ("user", "an emoji, never"), headers=headers))
    request = await model.requested(says("an emoji, never"))
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await asyncio.wait_for(request.gone.wait(), PATIENCE)


async def test_a_client_may_ask_that_its_run_goes_on(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    gate = asyncio.Event()
    model.when(says("go on without me"), Replies.text("well", " done").held(gate, after=1))
    run_id = await hang_up(user, "go on without me", {"X-Open-Agent-On-Disconnect": "detach"})
    gate.set()
    assert (await ended(user, run_id))["status"] == "completed"


async def test_the_setting_decides_and_the_request_may_say_otherwise(
    model: ScriptedModel, detaching: httpx.AsyncClient
) -> None:
    gate = asyncio.Event()
    model.when(says("detach by setting"), Replies.text("well", " done").held(gate, after=1))
    model.when(says("cancel by header"), Replies.text("well", "never").held(asyncio.Event(), after=1))
    detached = await hang_up(detaching, "detach by setting")
    gate.set()
    assert (await ended(detaching, detached))["status"] == "completed"
    cancelled = await hang_up(detaching, "cancel by header", {"X-Open-Agent-On-Disconnect": "cancel"})
    assert (await ended(detaching, cancelled))["status"] == "cancelled"


async def test_another_word_for_it_is_refused(user: httpx.AsyncClient) -> None:
    answer = await ask(user, ("user", "hi"), headers={"X-Open-Agent-On-Disconnect": "shrug"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_header")


async def test_a_stopping_server_says_so_and_hands_its_run_back(model: ScriptedModel, tmp_path: Path) -> None:
    gate = asyncio.Event()
    model.when(says("survive a restart"), Replies.text("well", "never").held(gate, after=1))
    model.when(says("survive a restart"), Replies.text("well", " done"))
    settings = build_settings(tmp_path, model.base_url, mcp_servers='{"mcpServers": {}}')
    body = {"model": "general", "messages": [{"role": "user", "content": "survive a restart"}], "stream": True}
    async with open_served(settings) as served:
        reading, run_id = await begin(served, body)
    text = await reading
    assert text.endswith("\n\n")
    assert '"code":"server_stopping"' in text.splitlines()[-2]
    async with open_served(settings) as served, served.client(USER_KEY) as client:
        assert (await ended(client, run_id))["status"] == "completed"


async def begin(served: Served, body: Json) -> tuple[asyncio.Task[str], str]:
    """Returns what goes on reading a stream whose first words have come, and the run's id."""
    started: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def read() -> str:
        text, path = "", "/v1/chat/completions"
        async with served.client(USER_KEY) as client, client.stream("POST", path, json=body) as answer:
            async for piece in answer.aiter_text():
                text += piece
                if "well" in text and not started.done():
                    started.set_result(answer.headers["X-Open-Agent-Run-Id"])
        return text

    reading = asyncio.create_task(read())
    return reading, await asyncio.wait_for(started, PATIENCE)


async def newest_run(client: httpx.AsyncClient) -> str:
    (conversation,) = (await client.get("/v1/conversations", params={"limit": 1})).json()["data"]
    run_id: str = (await client.get(f"/v1/conversations/{conversation['id']}/runs")).json()["data"][0]["id"]
    return run_id
