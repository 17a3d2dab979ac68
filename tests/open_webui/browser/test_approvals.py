"""A dangerous tool, approved by a person in the real Open WebUI: in the pipe's dialog, or by a reply in the chat."""

import os
import re
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser

from config.checkout import CHECKOUT
from tests.completions.deputy import Deputy, acts, waiting
from tests.open_webui.browser.webui import OpenWebUI
from tests.open_webui.browser.window import Window, open_window
from tests.support.scripted_model import Replies, ScriptedModel, says

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.browser, pytest.mark.timeout(600)]

PIPE, CONNECTION = "open_agent.deputy", "deputy"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return CHECKOUT / "integrations" / "open_webui" / "pictures" if os.environ.get("PICTURES") else tmp_path


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def listed(deputy: Deputy, webui: OpenWebUI) -> None:
    """Open WebUI knows the agent."""
    assert {PIPE, CONNECTION} <= set(await webui.models())


async def test_a_tool_is_called_once_the_dialog_is_confirmed(
    browser: Browser, webui: OpenWebUI, model: ScriptedModel, deputy: Deputy, folder: Path
) -> None:
    acts(model, "act with my consent", "consent")
    async with open_window(browser, webui, wide=860, high=620) as window:
        await window.new_chat(PIPE)
        await window.say("Please act with my consent")
        await window.sees_dialog("deputy wants to call acting__act")
        await window.sees_status("Waiting for approval")
        assert deputy.deeds("consent") == 0
        await window.picture(folder / "approval.png")
        await window.answer_dialog("Confirm")
        await window.sees("It is done.")
        await window.sees_status("Done")
    assert deputy.deeds("consent") == 1


async def test_a_tool_is_not_called_once_the_dialog_is_cancelled(
    window: Window, model: ScriptedModel, deputy: Deputy
) -> None:
    acts(model, "act against my will", "will", answer="Then not.")
    await window.new_chat(PIPE)
    await window.say("Please act against my will")
    await window.sees_dialog("deputy wants to call acting__act")
    await window.answer_dialog("Cancel")
    await window.sees_dialog("The agent is told.")
    await window.page.get_by_placeholder("May stay empty").fill("I am not awake")
    await window.answer_dialog("Confirm")
    await window.sees("Then not.")
    assert deputy.deeds("will") == 0
    (request,) = [each for each in model.requests if says("against my will")(each) and each.tool_results]
    assert "I am not awake" in request.tool_results[0]


async def test_a_closed_tab_leaves_the_question_open_and_it_is_answered_elsewhere(
    browser: Browser, webui: OpenWebUI, model: ScriptedModel, user: httpx.AsyncClient, deputy: Deputy
) -> None:
    acts(model, "act while I am away", "away")
    model.when(says("what happened"), Replies.text("I acted."))
    async with open_window(browser, webui) as window:
        await window.new_chat(PIPE)
        await window.say("Please act while I am away")
        await window.sees_dialog("deputy wants to call acting__act")
        chat = await window.saved()
    (approval,) = await waiting(user, {"away"})
    async with open_window(browser, webui) as window:
        await window.page.goto(f"{webui.url}/")  # another page of the same user: nobody looks at the chat
        await webui.says(chat, f"POST /v1/approvals/{approval['id']}")
        assert deputy.deeds("away") == 0
        (await user.post(f"/v1/approvals/{approval['id']}", json={"decision": "approve"})).raise_for_status()
        await window.page.goto(chat)
        await window.sees("Approval needed:")
        await window.say("what happened")
        await window.sees("I acted.")
    assert deputy.deeds("away") == 1
    sent = await model.requested(says("what happened"))
    assert "It is done." in [message["content"] for message in sent.messages]


async def test_a_reply_in_the_chat_approves_on_a_plain_connection(
    window: Window, model: ScriptedModel, deputy: Deputy
) -> None:
    acts(model, "act on my word", "word")
    model.when(says("and then"), Replies.text("Nothing more."))
    await window.new_chat(CONNECTION)
    await window.say("Please act on my word")
    await window.sees("Approval needed:")
    await window.sees_the_end()
    assert deputy.deeds("word") == 0
    await window.say("approve")
    await window.sees("It is done.")
    await window.sees_the_end()
    await window.say("and then")
    await window.sees("Nothing more.")
    assert deputy.deeds("word") == 1
    sent = await model.requested(says("and then"))
    said = [message["content"] for message in sent.messages if message["role"] != "system"]
    assert said == ["Please act on my word", "It is done.", "and then"]


async def test_a_second_tab_cannot_approve_what_the_first_one_is_asked(
    browser: Browser, webui: OpenWebUI, model: ScriptedModel, user: httpx.AsyncClient, deputy: Deputy
) -> None:
    acts(model, "act in tabs", "tabs")
    async with open_window(browser, webui) as first, open_window(browser, webui) as second:
        await first.new_chat(PIPE)
        await first.say("Please act in tabs")
        chat = await first.saved()
        await first.sees_dialog("deputy wants to call acting__act")
        (approval,) = await waiting(user, {"tabs"})
        await second.page.goto(chat)
        await second.page.wait_for_selector("#chat-input")
        await second.sees_no_dialog()  # it is the question of the tab that asked
        (await user.post(f"/v1/approvals/{approval['id']}", json={"decision": "approve"})).raise_for_status()
        await first.answer_dialog("Confirm")
        for window in (first, second):
            await window.sees(re.compile("It was approved before, by uma"))
            await window.sees("It is done.")
    assert deputy.deeds("tabs") == 1


async def test_of_two_tabs_on_a_plain_connection_only_one_approves(
    browser: Browser, webui: OpenWebUI, model: ScriptedModel, deputy: Deputy
) -> None:
    acts(model, "act in both", "both")
    model.always(says("approve"), Replies.text("There is nothing to approve."))
    async with open_window(browser, webui) as first, open_window(browser, webui) as second:
        await first.new_chat(CONNECTION)
        await first.say("Please act in both")
        chat = await first.saved()
        await first.sees("Approval needed:")
        await first.sees_the_end()
        await second.page.goto(chat)
        await second.sees("Approval needed:")
        await second.say("approve")
        await second.sees("It is done.")
        await first.say("approve")
        await first.sees(re.compile("There is nothing to approve|It was approved before"))
    assert deputy.deeds("both") == 1
