"""The product as it comes, with its embedded model and its own tool servers: what it answers over REST is true."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import httpx
import pytest
import pytest_asyncio

from config.settings import load_settings
from graph.events import ModelDelta, run_events
from tests.http.serving import ADMIN_KEY, KEYS, Json, Served, converse, follow, open_served

pytestmark = [
    pytest.mark.model,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("embedded model"),
]

ORDERS: Final = {
    "Germany": 95,
    "United States": 84,
    "Japan": 79,
    "France": 67,
    "Brazil": 57,
    "India": 48,
    "Spain": 37,
    "Canada": 33,
}
"""Of the sample shop, which is the same everywhere."""


@dataclass(frozen=True)
class Answered:
    run: Json
    steps: list[Json]
    answer: str

    @property
    def agents(self) -> list[str]:
        return [step["agent"] for step in self.run["plan"]["steps"]]

    def calls(self, tool: str) -> list[Json]:
        """The calls of a tool that went well."""
        calls = [call for step in self.steps for call in step["tool_calls"]]
        return [call for call in calls if call["tool"] == tool and call["status"] == "ok"]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    settings = load_settings(None, data_dir=tmp_path_factory.mktemp("data"), port=0, api_keys=KEYS)
    async with open_served(settings) as served:
        yield served


async def ask(served: Served, question: str) -> Answered:
    async with served.client(ADMIN_KEY) as client:
        client.timeout = httpx.Timeout(None)  # pytest's own limit holds
        conversation = await converse(client, question)
        started = await client.post(f"/v1/conversations/{conversation}/runs")
        run_id = started.raise_for_status().json()["id"]
        answer = "".join(_answer(sent.data) for sent in await follow(client, run_id))
        run = (await client.get(f"/v1/runs/{run_id}")).json()
        steps = (await client.get(f"/v1/runs/{run_id}/steps")).json()["data"]
    assert run["status"] == "completed", run
    return Answered(run, steps, answer)


def _answer(event: str) -> str:
    parsed = run_events.validate_json(event)
    return parsed.delta if isinstance(parsed, ModelDelta) and parsed.channel == "answer" else ""


def times_in(text: str) -> set[tuple[int, int]]:
    """Returns the clock times that a text names, hours from 0 to 23."""
    found = re.findall(r"\b(\d{1,2}):(\d{2})(?::\d{2})?\s*([ap]\.?m)?", text, flags=re.IGNORECASE)
    return {(_hour(int(hour), half.lower()), int(minute)) for hour, minute, half in found}


def _hour(hour: int, half: str) -> int:
    return hour % 12 + (12 if half.startswith("p") else 0) if half else hour


def sizes_in(text: str) -> set[str]:
    return set(re.findall(r"\d+(?:\.\d+)? ?[KMGT]i?B", text))


def words_in(text: str) -> set[str]:
    """Returns the longer words: of a query's result, the names that an answer built on it must hold."""
    return set(re.findall(r"[A-Z][a-z]{4,}", text))


def assert_tells_the_time(answered: Answered, timezone: str) -> None:
    (call,) = answered.calls("time__get_current_time")
    assert call["arguments"] == {"timezone": timezone}
    moment = datetime.fromisoformat(re.findall(r'"datetime": "([^"]+)"', call["result"])[0])
    assert (moment.hour, moment.minute) in times_in(answered.answer), answered.answer


async def test_the_time_in_tokyo_is_asked_of_the_clock(served: Served) -> None:
    answered = await ask(served, "What time is it in Tokyo right now?")
    assert answered.agents == ["tool-agent"]
    assert [step["kind"] for step in answered.steps] == ["plan", "agent"]
    assert_tells_the_time(answered, "Asia/Tokyo")


async def test_orders_per_country_are_counted_in_the_database(served: Served) -> None:
    answered = await ask(served, "How many orders were placed per country?")
    assert answered.agents == ["sql-agent"]
    missing = {
        country: count
        for country, count in ORDERS.items()
        if not (country in answered.answer and re.search(rf"\b{count}\b", answered.answer))
    }
    assert not missing, answered.answer


async def test_the_documentation_is_cited(served: Served) -> None:
    answered = await ask(served, "Where is the configuration of agents documented?")
    assert answered.agents == ["docs-agent"]
    assert "docs/agents.md" in answered.answer


async def test_disk_space_is_measured(served: Served) -> None:
    answered = await ask(served, "How much disk space is left?")
    assert answered.agents == ["devops-agent"]
    results = " ".join(call["result"] for call in answered.calls("devops__disk_usage"))
    assert sizes_in(answered.answer) & sizes_in(results), answered.answer


@pytest.mark.parametrize(("question", "holds"), [("What is 17*23+4?", "395"), ("hello", "")])
async def test_small_things_take_one_model_call_after_the_plan(served: Served, question: str, holds: str) -> None:
    answered = await ask(served, question)
    assert answered.agents == ["general"]
    assert [(step["kind"], step["tool_calls"]) for step in answered.steps] == [("plan", []), ("agent", [])]
    assert answered.answer.strip()
    assert holds in answered.answer


async def test_two_wishes_become_two_steps_and_one_answer(served: Served) -> None:
    answered = await ask(served, "look up the three best-selling products, then tell me what time it is in Berlin")
    assert answered.agents == ["sql-agent", "tool-agent"]
    assert [step["kind"] for step in answered.steps] == ["plan", "agent", "agent", "synthesis"]
    assert words_in(answered.calls("sql__query")[-1]["result"]) & words_in(answered.answer), answered.answer
    assert_tells_the_time(answered, "Europe/Berlin")
