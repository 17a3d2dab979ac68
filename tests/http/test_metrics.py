"""Prometheus is told what was committed, and nothing that a user wrote."""

import httpx
import pytest
import pytest_asyncio

from tests.http.serving import ended, start_run
from tests.support.scripted_model import Replies, ScriptedModel, has_result, says
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def at_rest(user: httpx.AsyncClient, other: httpx.AsyncClient, admin: httpx.AsyncClient) -> None:
    """Runs that earlier tests have left behind have ended: they are counted, too."""
    unended = {"status": ["queued", "running"]}

    async def none_is_left() -> bool:
        answers = [await client.get("/v1/runs", params=unended) for client in (user, other, admin)]
        return not any(answer.raise_for_status().json()["data"] for answer in answers)

    await until(none_is_left)


async def test_a_run_its_tool_call_and_its_tokens_are_counted(
    model: ScriptedModel, user: httpx.AsyncClient, at_rest: None
) -> None:
    question = "count this private question"
    model.when(lambda request: says(question)(request) and has_result()(request), Replies.text("done").costing(7, 3))
    model.when(says(question), Replies.tool("time__get_current_time", {"timezone": "UTC"}).costing(5, 2))
    before = await _scrape(user)
    run = await ended(user, (await start_run(user, question, agent_id="tool-agent"))["id"])
    assert run["status"] == "completed"

    after = await _scrape(user)
    risen = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
    assert risen['open_agent_runs_total{agent="tool-agent",status="completed"}'] == 1
    assert risen['open_agent_tool_calls_total{status="ok",tool="time__get_current_time"}'] == 1
    assert risen['open_agent_tokens_total{direction="input"}'] == 12
    assert risen["open_agent_first_token_seconds_count"] == risen["open_agent_run_seconds_count"] == 1
    assert not any(question in name for name in after)


async def test_how_tool_servers_are_is_told_by_name(user: httpx.AsyncClient) -> None:
    told = await _scrape(user)
    assert told['open_agent_mcp_server_up{name="missing"}'] == 0


async def test_metrics_need_a_key(nobody: httpx.AsyncClient) -> None:
    assert (await nobody.get("/metrics")).status_code == 401


async def _scrape(client: httpx.AsyncClient) -> dict[str, float]:
    answer = (await client.get("/metrics")).raise_for_status()
    assert answer.headers["content-type"].startswith("text/plain")
    lines = [line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}
