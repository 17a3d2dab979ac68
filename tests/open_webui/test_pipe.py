"""The pipe as Open WebUI calls it, against the real application: what it shows, keeps, passes on, and never does."""

import asyncio
import json

import httpx
import pytest

from tests.http.serving import Json
from tests.open_webui.asking import Chat, error_of, words_of
from tests.support.scripted_model import Replies, ScriptedModel, has_result, plans_for, says
from tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


async def newest_runs(user: httpx.AsyncClient) -> list[Json]:
    """Returns the runs of the newest conversation."""
    (conversation,) = (await user.get("/v1/conversations", params={"limit": 1})).json()["data"]
    runs: list[Json] = (await user.get(f"/v1/conversations/{conversation['id']}/runs")).json()["data"]
    return runs


async def test_agents_are_listed_as_models(chat: Chat) -> None:
    listed = await chat.pipe.pipes()
    assert listed[0]["id"] == "open-agent"
    assert {"sql-agent", "general", "docs-agent"} <= {entry["id"] for entry in listed}
    assert all(entry["name"] for entry in listed)


async def test_a_listing_never_raises(chat: Chat, unused_tcp_port: int) -> None:
    chat.pipe.valves.API_KEY = "wrong"
    assert await chat.pipe.pipes() == [{"id": "unreachable", "name": "open-agent (key refused: see the valves)"}]
    chat.pipe.valves.BASE_URL = f"http://127.0.0.1:{unused_tcp_port}"
    assert await chat.pipe.pipes() == [{"id": "unreachable", "name": "open-agent (unreachable: see the valves)"}]


@pytest.mark.parametrize("suffix", ["/", "/v1", "/v1/"])
async def test_the_address_may_be_that_of_the_api(chat: Chat, suffix: str) -> None:
    chat.pipe.valves.BASE_URL += suffix
    assert (await chat.pipe.pipes())[0]["id"] == "open-agent"
    chat.pipe.valves.BASE_URL = chat.pipe.valves.BASE_URL.removeprefix("http://")
    assert (await chat.pipe.pipes())[0]["id"] == "open-agent"


async def test_steps_tools_thoughts_and_the_answer_are_shown(
    chat: Chat, model: ScriptedModel, user: httpx.AsyncClient
) -> None:
    model.when(plans_for("pipe 6*7"), Replies.plan([{"agent": "tool-agent", "task": "compute pipe 6*7"}]))
    model.when(has_result("42"), Replies.text("It is ", "42."))
    model.when(says("pipe 6*7"), Replies.tool("calculator__calculate", {"expression": "6*7"}).thinking("Easy."))
    lines = await chat.lines("pipe 6*7", model="open-agent")
    assert words_of(lines) == "It is 42."
    assert "Easy." in words_of(lines, "reasoning_content")
    assert chat.statuses[0] == ("Planning…", False)
    assert ("tool-agent: running calculate…", False) in chat.statuses
    assert [status for status in chat.statuses if status[1]] == [chat.statuses[-1]]
    card = [line["item"] for line in lines if line.get("type") == "response.output_item.added"]
    assert [item["type"] for item in card] == ["function_call", "function_call_output"]
    assert lines[-1]["usage"]["total_tokens"] > 0
    assert not any("event" in line for line in lines)
    assert [run["status"] for run in await newest_runs(user)] == ["completed"]


async def test_what_a_user_hides_is_hidden(chat: Chat, model: ScriptedModel) -> None:
    valves = type(chat.pipe).UserValves(SHOW_STEPS=False, SHOW_TOOLS=False, SHOW_THOUGHTS=False)
    chat.user["valves"] = valves
    model.when(has_result("81"), Replies.text("It is 81."))
    model.when(says("quiet 9*9"), Replies.tool("calculator__calculate", {"expression": "9*9"}).thinking("Hm."))
    lines = await chat.lines("quiet 9*9", model="tool-agent")
    assert (words_of(lines), words_of(lines, "reasoning_content")) == ("It is 81.", "")
    assert not any("item" in line for line in lines)
    assert chat.events == []


async def test_sources_are_cited(chat: Chat, model: ScriptedModel) -> None:
    model.when(has_result("tulips"), Replies.text("On Tuesdays [1]."))
    model.when(says("water my tulips"), Replies.tool("docs__search", {"query": "tulips"}))
    await chat.lines("When do I water my tulips?", model="docs-agent")
    (source,) = [event["data"] for event in chat.events if event["type"] == "source"]
    assert source["source"]["name"].endswith("garden.md#watering")


async def test_the_tools_of_open_webui_are_not_offered_to_our_agents(chat: Chat, model: ScriptedModel) -> None:
    model.when(says("whose tools"), Replies.text("Mine."))
    await chat.lines("whose tools")
    assert (await model.requested(says("whose tools"))).tools == []


async def test_a_chat_is_one_conversation_and_nothing_is_kept_twice(
    chat: Chat, model: ScriptedModel, user: httpx.AsyncClient
) -> None:
    model.when(says("first of two"), Replies.text("One."))
    model.when(says("second of two"), Replies.text("Two."))
    await chat.lines("first of two")
    await chat.lines("first of two", {"role": "assistant", "content": "One."}, "second of two")
    runs = await newest_runs(user)
    assert len(runs) == 2
    page = await user.get(f"/v1/conversations/{runs[0]['conversation_id']}/messages", params={"order": "asc"})
    assert [message["content"] for message in page.json()["data"]] == ["first of two", "One.", "second of two", "Two."]


@pytest.mark.parametrize("way", ["closed", "cancelled"])
async def test_stopping_cancels_the_run(chat: Chat, model: ScriptedModel, user: httpx.AsyncClient, way: str) -> None:
    """Open WebUI cancels the task that reads us; the generator is closed, or meets the cancelling where it waits."""
    question = f"stop me when {way}"
    model.when(says(question), Replies.text("It begins", " and ends.").stalled(after=1))
    chunks = await chat.stream(question)
    async for chunk in chunks:
        if words_of([chunk]):
            break
    if way == "closed":
        await chunks.aclose()
    else:
        waits = asyncio.Event()

        async def read_on() -> None:
            waits.set()  # heard once this task waits for the next chunk
            await anext(chunks)

        reading = asyncio.create_task(read_on())
        await waits.wait()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    assert chat.statuses[-1] == ("Stopped", True)

    async def cancelled() -> bool:
        return [run["status"] for run in await newest_runs(user)] == ["cancelled"]

    await until(cancelled)


async def test_a_detached_run_goes_on_when_the_chat_is_stopped(
    chat: Chat, model: ScriptedModel, user: httpx.AsyncClient
) -> None:
    gate = asyncio.Event()
    chat.pipe.valves.ON_STOP = "detach"
    model.when(says("go on without me"), Replies.text("It begins", " and ends.").held(gate, after=1))
    chunks = await chat.stream("go on without me")
    async for chunk in chunks:
        if words_of([chunk]):
            break
    await chunks.aclose()
    gate.set()

    async def completed() -> bool:
        return [run["status"] for run in await newest_runs(user)] == ["completed"]

    await until(completed)


async def test_an_error_comes_after_the_words_so_far(chat: Chat, model: ScriptedModel) -> None:
    model.when(says("break in the middle"), *[Replies.text("Some ", "words").reset(after=1)] * 5)
    lines = await chat.lines("break in the middle")
    assert words_of(lines).startswith("Some ")
    assert error_of(lines)
    assert chat.statuses[-1] == ("Failed", True)


async def test_an_unknown_agent_is_a_readable_error(chat: Chat) -> None:
    assert "'gone-agent' does not exist" in error_of(await chat.lines("hello", model="gone-agent"))


async def test_a_wrong_key_is_a_readable_error(chat: Chat) -> None:
    chat.pipe.valves.API_KEY = "wrong"
    assert "An admin sets API_KEY" in error_of(await chat.lines("hello"))


async def test_valves_hold_for_the_next_question(chat: Chat, model: ScriptedModel, unused_tcp_port: int) -> None:
    right = chat.pipe.valves.BASE_URL
    chat.pipe.valves.BASE_URL = f"http://127.0.0.1:{unused_tcp_port}"
    assert "Is it running?" in error_of(await chat.lines("anybody there"))
    chat.pipe.valves.BASE_URL = right
    model.when(says("anybody there"), Replies.text("Yes."))
    assert words_of(await chat.lines("anybody there")) == "Yes."


@pytest.mark.parametrize(
    ("task", "reply"),
    [
        ("title_generation", {"title": "Tulips"}),
        ("tags_generation", {"tags": ["Garden"]}),
        ("follow_up_generation", {"follow_ups": ["And roses?"]}),
    ],
)
async def test_tasks_are_answered_without_a_run(
    chat: Chat, model: ScriptedModel, user: httpx.AsyncClient, task: str, reply: Json
) -> None:
    before = await newest_runs(user)
    model.when(lambda request: request.schema_name == task, Replies.json(reply))
    chat.metadata["task"] = task
    assert json.loads(str(await chat.whole(f"### Task: {task}"))) == reply
    assert (await newest_runs(user), chat.events) == (before, [])


async def test_a_task_that_fails_is_left_undone(chat: Chat, unused_tcp_port: int) -> None:
    chat.metadata["task"] = "title_generation"
    chat.pipe.valves.BASE_URL = f"http://127.0.0.1:{unused_tcp_port}"
    assert await chat.whole("### Task:") == ""


async def test_without_streaming_the_answer_is_a_text(chat: Chat, model: ScriptedModel) -> None:
    model.when(says("all at once"), Replies.text("Here ", "it is."))
    assert await chat.whole("all at once") == "Here it is."
    assert chat.statuses[-1] == ("Done", True)


async def test_without_streaming_an_error_is_an_error(chat: Chat) -> None:
    answer = await chat.whole("hello", model="gone-agent")
    assert isinstance(answer, dict)
    assert "does not exist" in answer["error"]["message"]


@pytest.mark.parametrize(("chat_id", "message_id"), [(None, None), ("", None), ("", "")])
async def test_a_plain_caller_gets_plain_lines(
    chat: Chat, model: ScriptedModel, chat_id: str | None, message_id: str | None
) -> None:
    chat.chat_id, chat.message_id = chat_id, message_id
    model.when(has_result("64"), Replies.text("It is 64."))
    model.when(says("plainly 8*8"), Replies.tool("calculator__calculate", {"expression": "8*8"}))
    lines = await chat.lines("plainly 8*8", model="tool-agent")
    assert words_of(lines) == "It is 64."
    assert all("choices" in line for line in lines)
    assert chat.events == []


async def test_a_temporary_chat_is_a_conversation_of_its_own_each_time(
    chat: Chat, model: ScriptedModel, user: httpx.AsyncClient
) -> None:
    chat.chat_id = "temporary:abc"
    model.when(says("forget this"), Replies.text("Forgotten."), Replies.text("Forgotten again."))
    assert words_of(await chat.lines("forget this")) == "Forgotten."
    assert words_of(await chat.lines("forget this")) == "Forgotten again."
    assert len(await newest_runs(user)) == 1


async def test_admins_bound_what_an_answer_may_take(chat: Chat, model: ScriptedModel) -> None:
    chat.pipe.valves.LIMITS = "tokens=60, seconds=30"
    model.when(says("pipe within limits"), Replies.text("word").costing(50, 50))
    assert "the limit tokens = 60, set by the request, is used up" in error_of(await chat.lines("pipe within limits"))
