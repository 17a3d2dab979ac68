"""A person chats with our agents in the real Open WebUI, in a real browser: through the pipe, through a connection."""

import asyncio

import httpx
import pytest
from playwright.async_api import Browser

from tests.http.serving import Json
from tests.open_webui.browser.webui import OpenWebUI
from tests.open_webui.browser.window import Window, open_window
from tests.support.scripted_model import Replies, ScriptedModel, has_result, plans_for, says
from tests.support.waiting import until

WAYS = {"pipe": "open_agent.", "connection": ""}
"""How the names of models begin, by the way they come in."""

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.parametrize("way", WAYS),
]


async def newest_runs(user: httpx.AsyncClient) -> list[Json]:
    """Returns the runs of the newest conversation, oldest first."""
    (conversation,) = (await user.get("/v1/conversations", params={"limit": 1})).json()["data"]
    path = f"/v1/conversations/{conversation['id']}/runs"
    runs: list[Json] = (await user.get(path, params={"order": "asc"})).json()["data"]
    return runs


async def count_runs(user: httpx.AsyncClient) -> int:
    conversations = (await user.get("/v1/conversations", params={"limit": 100})).json()["data"]
    pages = [await user.get(f"/v1/conversations/{each['id']}/runs") for each in conversations]
    return sum(len(page.json()["data"]) for page in pages)


async def questions_of(user: httpx.AsyncClient, conversation_id: str) -> list[str]:
    page = await user.get(f"/v1/conversations/{conversation_id}/messages", params={"order": "asc"})
    return [message["content"] for message in page.json()["data"] if message["role"] == "user"]


async def runs_end(user: httpx.AsyncClient, *statuses: str) -> None:
    async def ended() -> bool:
        return [run["status"] for run in await newest_runs(user)] == list(statuses)

    await until(ended)


async def test_planning_steps_tools_and_the_answer_are_seen_and_one_question_is_one_run(
    window: Window, model: ScriptedModel, user: httpx.AsyncClient, way: str
) -> None:
    question = f"What is six by seven, and when are the tulips watered? ({way})"
    planned, begun, looked = asyncio.Event(), asyncio.Event(), asyncio.Event()
    plan: list[Json] = [
        {"agent": "tool-agent", "task": f"compute it {way}"},
        {"agent": "docs-agent", "task": f"tulips {way}", "depends_on": [1]},
    ]
    model.when(plans_for(question), Replies.plan(plan).held(planned))
    model.when(lambda request: says(f"compute it {way}")(request) and has_result("42")(request), Replies.text("42."))
    model.when(says(f"compute it {way}"), Replies.tool("calculator__calculate", {"expression": "6*7"}).held(begun))
    model.when(lambda request: says(f"tulips {way}")(request) and has_result("Tuesdays")(request), Replies.text("Tue."))
    model.when(says(f"tulips {way}"), Replies.tool("docs__search", {"query": "tulips"}))
    model.when(says(question), Replies.text("It is **42**", ", and on Tuesdays.").held(looked, after=1))
    before = await count_runs(user)

    await window.new_chat(f"{WAYS[way]}open-agent")
    await window.say(question)
    await window.sees_status("Planning…")
    planned.set()
    await window.sees_status("tool-agent: working…")
    begun.set()
    await window.sees_status("Writing the answer…")
    await window.sees("It is 42")
    looked.set()
    await window.sees(", and on Tuesdays.")
    await window.sees_the_end()
    await window.sees_status("Done")
    await window.sees("calculator__calculate, docs__search")
    await window.sees("1 Source")
    await window.sees("And the roses?")
    await window.page.get_by_text("A garden at night").first.wait_for()

    await window.status.click()
    for step in ("tool-agent: running calculate…", "docs-agent: running search…"):
        await window.sees(step)
    assert await count_runs(user) == before + 1
    assert [run["status"] for run in await newest_runs(user)] == ["completed"]

    await window.page.reload()
    await window.sees(", and on Tuesdays.")
    await window.sees("calculator__calculate, docs__search")


async def test_the_next_question_goes_on_in_the_same_conversation(
    window: Window, model: ScriptedModel, user: httpx.AsyncClient, way: str
) -> None:
    model.when(says(f"thirds {way}"), Replies.text("So they are thirds."))
    model.when(says(f"seconds {way}"), Replies.tool("calculator__calculate", {"expression": "1+1"}))
    model.when(has_result("2"), Replies.text("They are seconds."))
    await window.new_chat(f"{WAYS[way]}tool-agent")
    await window.say(f"seconds {way}")
    await window.sees("They are seconds.")
    await window.sees_the_end()
    await window.say(f"thirds {way}")
    await window.sees("So they are thirds.")
    runs = await newest_runs(user)
    assert [run["agent_id"] for run in runs] == ["tool-agent"] * 2
    assert await questions_of(user, runs[0]["conversation_id"]) == [f"seconds {way}", f"thirds {way}"]


async def test_stop_cancels_the_run_and_keeps_the_words(
    window: Window, model: ScriptedModel, user: httpx.AsyncClient, way: str
) -> None:
    model.when(says(f"never ending {way}"), Replies.text("Once upon a time", " for ever").stalled(after=1))
    await window.new_chat(f"{WAYS[way]}general")
    await window.say(f"A never ending {way} story")
    await window.sees("Once upon a time")
    await window.stop()
    await runs_end(user, "cancelled")
    await window.sees("Once upon a time")
    if way == "pipe":  # a connection has nobody left who could say it
        await window.sees_status("Stopped")
    await window.page.reload()
    await window.sees("Once upon a time")


async def test_regenerating_is_a_second_answer_to_the_same_question(
    window: Window, model: ScriptedModel, user: httpx.AsyncClient, way: str
) -> None:
    model.when(says(f"again {way}"), Replies.text("The first answer."), Replies.text("The second answer."))
    await window.new_chat(f"{WAYS[way]}general")
    await window.say(f"Answer again {way}")
    await window.sees("The first answer.")
    await window.sees_the_end()
    await window.regenerate()
    await window.sees("The second answer.")
    await runs_end(user, "completed", "completed")
    (run, _) = await newest_runs(user)
    assert await questions_of(user, run["conversation_id"]) == [f"Answer again {way}"]


async def test_an_edited_question_is_a_branch(
    window: Window, model: ScriptedModel, user: httpx.AsyncClient, way: str
) -> None:
    model.when(says(f"roses {way}"), Replies.text("Roses, then."))
    model.when(says(f"tulips {way}"), Replies.text("Tulips, then."))
    await window.new_chat(f"{WAYS[way]}general")
    await window.say(f"Tell of tulips {way}")
    await window.sees("Tulips, then.")
    await window.sees_the_end()
    await window.edit(f"Tell of roses {way}")
    await window.sees("Roses, then.")
    await runs_end(user, "completed", "completed")
    (run, _) = await newest_runs(user)
    assert await questions_of(user, run["conversation_id"]) == [f"Tell of tulips {way}", f"Tell of roses {way}"]
    request = await model.requested(says(f"roses {way}"))
    assert "Tulips, then." not in str(request.messages)


async def test_the_answer_is_there_when_the_tab_was_closed_in_mid_run(
    browser: Browser, webui: OpenWebUI, model: ScriptedModel, user: httpx.AsyncClient, way: str
) -> None:
    gate = asyncio.Event()
    model.when(says(f"patience {way}"), Replies.text("Half of it", " and the other half.").held(gate, after=1))
    async with open_window(browser, webui) as window:
        await window.new_chat(f"{WAYS[way]}general")
        await window.say(f"A matter of patience {way}")
        await window.sees("Half of it")
        chat = await window.saved()
    gate.set()
    await runs_end(user, "completed")
    async with open_window(browser, webui) as window:
        await window.page.goto(chat)
        await window.sees("Half of it and the other half.")
        await window.sees_status("Done")


async def test_a_failure_is_seen_below_the_words_so_far(
    window: Window, model: ScriptedModel, user: httpx.AsyncClient, way: str
) -> None:
    broken = Replies.text("Some words", " are lost").reset(after=1)
    model.when(says(f"misfortune {way}"), *[broken] * 5)
    await window.new_chat(f"{WAYS[way]}general")
    await window.say(f"Tell of misfortune {way}")
    await runs_end(user, "failed")
    await window.sees("Some words")
    await window.sees_status("Failed")
    (run,) = await newest_runs(user)
    await window.sees(run["error"]["detail"][:40])
