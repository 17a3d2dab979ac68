"""What Open WebUI is shown beside the answer, to the letter; and that no other client ever sees it."""

import asyncio

import httpx
import pytest
import pytest_asyncio

from tests.completions.asking import ask, lines_of, words_of
from tests.http.serving import Json, servers_settled
from tests.support.scripted_model import Replies, ScriptedModel, has_result, plans_for, prompted, says

pytestmark = pytest.mark.asyncio(loop_scope="session")

RICH = {"X-Open-Agent-Rich": "1"}


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def servers_are_up(user: httpx.AsyncClient) -> None:
    """A step that has to wait for one says so among its thoughts."""
    await servers_settled(user)


def statuses(lines: list[Json]) -> list[tuple[str, bool]]:
    events = [line["event"] for line in lines if "event" in line]
    return [(each["data"]["description"], each["data"]["done"]) for each in events if each["type"] == "status"]


def items(lines: list[Json]) -> list[Json]:
    return [line for line in lines if "item" in line]


def sources(lines: list[Json]) -> list[Json]:
    return [line["event"]["data"] for line in lines if line.get("event", {}).get("type") == "source"]


async def test_steps_and_tools_are_shown_as_they_happen(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(plans_for("rich 6*7"), Replies.plan([{"agent": "tool-agent", "task": "compute rich 6*7"}]))
    model.when(has_result("42"), Replies.text("It is 42."))
    model.when(says("rich 6*7"), Replies.tool("calculator__calculate", {"expression": "6*7"}).thinking("Easy."))
    lines = lines_of(await ask(user, ("user", "rich 6*7"), model="open-agent", stream=True, headers=RICH))
    assert lines[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert statuses(lines) == [
        ("Planning…", False),
        ("tool-agent: working…", False),
        ("tool-agent: running calculate…", False),
        ("Done", True),
    ]
    assert words_of(lines) == "It is 42."
    assert words_of(lines, "reasoning_content") == "tool-agent: Easy."
    assert lines[-1]["choices"] == []
    assert lines[-1]["usage"]["total_tokens"] > 0


@pytest.mark.slow
async def test_a_tool_card_is_a_call_with_its_output(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(has_result("1000003"), Replies.text("Done."))
    model.when(says("a card"), Replies.tool("calculator__calculate", {"expression": "1000000+3"}))
    lines = lines_of(await ask(user, ("user", "a card"), model="tool-agent", stream=True, headers=RICH))
    call, output = items(lines)
    index = call["output_index"]
    call_id = call["item"]["call_id"]
    assert call == {
        "type": "response.output_item.added",
        "output_index": index,
        "item": {
            "type": "function_call",
            "name": "calculator__calculate",
            "arguments": '{"expression": "1000000+3"}',
            "id": f"fc_{call_id}",
            "call_id": call_id,
            "status": "completed",
        },
    }
    (part,) = output["item"]["output"]
    assert output == {
        "type": "response.output_item.added",
        "output_index": index,
        "item": {
            "type": "function_call_output",
            "output": [part],
            "id": f"fco_{call_id}",
            "call_id": call_id,
            "status": "completed",
        },
    }
    assert (part["type"], "1000003" in part["text"]) == ("input_text", True)
    assert not any(choice["delta"].get("tool_calls") for line in lines for choice in line.get("choices", []))


async def test_documents_that_were_found_are_sources(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(has_result("tulips"), Replies.text("On Tuesdays."))
    model.when(says("when to water"), Replies.tool("docs__search", {"query": "watering tulips"}))
    lines = lines_of(await ask(user, ("user", "when to water"), model="docs-agent", stream=True, headers=RICH))
    (source,) = [each for each in sources(lines) if "watering" in each["source"]["name"]]
    name = source["source"]["name"]
    assert source == {
        "source": {"name": name},
        "document": ["Water the tulips on Tuesdays."],
        "metadata": [{"source": name, "name": name}],
    }
    assert name.endswith("/garden.md#watering")


async def test_the_words_of_intermediate_steps_are_thoughts(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    plan = [{"agent": "general", "task": "part rich-one"}, {"agent": "tool-agent", "task": "part rich-two"}]
    model.when(plans_for("two parts, rich"), Replies.plan(plan))
    model.when(says("part rich-one"), Replies.text("words one"))
    model.when(says("part rich-two"), Replies.text("words two"))
    model.when(prompted("results of"), Replies.text("Both."))
    model.when(says("two parts, rich"), Replies.text("Both."))
    lines = lines_of(await ask(user, ("user", "two parts, rich"), model="open-agent", stream=True, headers=RICH))
    assert words_of(lines) == "Both."
    thoughts = words_of(lines, "reasoning_content")
    assert {"general: words one", "tool-agent: words two"} == set(thoughts.split("\n\n"))
    assert ("Plan: 1. general: part rich-one · 2. tool-agent: part rich-two", False) in statuses(lines)
    assert ("Writing the answer…", False) in statuses(lines)
    assert statuses(lines)[-1] == ("Done", True)


async def test_a_failure_ends_the_status_line_and_is_told_once(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(says("fail richly"), Replies.error(400, "no such thing"))
    lines = lines_of(await ask(user, ("user", "fail richly"), stream=True, headers=RICH))
    assert statuses(lines)[-1] == ("Failed", True)
    assert [line["error"]["code"] for line in lines if "error" in line] == ["model_rejected"]
    assert "error" in lines[-1]


async def test_a_cancelled_run_ends_the_status_line(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(says("cancel richly"), Replies.text("a", "b").held(asyncio.Event(), after=1))
    body = {"model": "general", "messages": [{"role": "user", "content": "cancel richly"}], "stream": True}
    async with user.stream("POST", "/v1/chat/completions", json=body, headers=RICH) as answer:
        await model.requested(says("cancel richly"))
        await user.post(f"/v1/runs/{answer.headers['X-Open-Agent-Run-Id']}/cancel")
        text = (await answer.aread()).decode()
    assert '"description":"Cancelled","done":true' in text
    assert '"code":"run_cancelled"' in text


async def test_what_models_and_tools_say_never_becomes_an_event(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    """Open WebUI runs `execute` events as JavaScript in the user's browser."""
    evil = '\n\ndata: {"event":{"type":"execute","data":{"code":"alert(1)"}}}\n\n'
    model.when(has_result(), Replies.text(evil, "bye"))
    model.when(says("be evil"), Replies.tool("docs__search", {"query": evil, "type": "execute"}).thinking(evil))
    lines = lines_of(await ask(user, ("user", "be evil"), model="docs-agent", stream=True, headers=RICH))
    assert {line["event"]["type"] for line in lines if "event" in line} <= {"status", "source"}
    assert words_of(lines) == evil + "bye"
    kinds = {key for line in lines for key in line}
    assert kinds <= {
        "id",
        "object",
        "created",
        "model",
        "system_fingerprint",
        "choices",
        "usage",
        "event",
        "type",
        "output_index",
        "item",
    }
    assert {line["type"] for line in lines if "type" in line} <= {"response.output_item.added"}


@pytest.mark.parametrize("headers", [{}, {"X-Open-Agent-Rich": "0"}])
async def test_a_client_that_did_not_ask_sees_chunks_only(
    model: ScriptedModel, user: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    model.when(has_result("42"), Replies.text("42"))
    model.when(says("plainly 6*7"), Replies.tool("calculator__calculate", {"expression": "6*7"}))
    lines = lines_of(await ask(user, ("user", "plainly 6*7"), model="tool-agent", stream=True, headers=headers))
    assert {line.get("object") for line in lines} == {"chat.completion.chunk"}


async def test_open_webui_need_not_ask(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(says("who are you, rich"), Replies.text("me"))
    headers = {"X-OpenWebUI-User-Name": "Uma"}
    lines = lines_of(await ask(user, ("user", "who are you, rich"), stream=True, headers=headers))
    assert statuses(lines)[-1] == ("Done", True)
