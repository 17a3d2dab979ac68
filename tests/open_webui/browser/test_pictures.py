"""The pictures of the pipe's README, taken from what is seen. `make test-browser PICTURES=1` renews it."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from config.checkout import CHECKOUT
from tests.open_webui.browser.webui import OpenWebUI
from tests.open_webui.browser.window import Window, open_window
from tests.support.scripted_model import Replies, ScriptedModel, has_result, plans_for, says

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.browser, pytest.mark.timeout(600)]
ADDRESS = "http://127.0.0.1:8000"
"""What readers see, and not the port of a test."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return CHECKOUT / "integrations" / "open_webui" / "pictures" if os.environ.get("PICTURES") else tmp_path


@pytest_asyncio.fixture(loop_scope="session")
async def frame(browser: Browser, webui: OpenWebUI) -> AsyncIterator[Window]:
    async with open_window(browser, webui, wide=860, high=620) as window:
        yield window


async def test_a_chat_looks_as_in_the_readme(frame: Window, model: ScriptedModel, folder: Path) -> None:
    question = "How much is 19% of 1250 euros, and when are the tulips watered?"
    looking, writing = asyncio.Event(), asyncio.Event()
    plan = [{"agent": "tool-agent", "task": "percent"}, {"agent": "docs-agent", "task": "the tulips"}]
    model.when(plans_for(question), Replies.plan(plan))
    model.when(has_result("237.5"), Replies.text("237.50 euros."))
    model.when(has_result("tulips on Tuesdays"), Replies.text("On Tuesdays.").held(looking))
    model.when(
        says("percent"), Replies.tool("calculator__calculate", {"expression": "1250*0.19"}).thinking("Better count.")
    )
    model.when(says("the tulips"), Replies.tool("docs__search", {"query": "water tulips"}))
    answer = ("19% of 1250 euros are **237.50 euros**.", " The tulips are watered on Tuesdays.")
    model.when(says(question), Replies.text(*answer).held(writing, after=1))

    await frame.new_chat("open_agent.open-agent")
    await frame.say(question)
    await frame.sees("calculator__calculate")
    await frame.sees("1 Source")
    await frame.status.click()
    await frame.picture(folder / "steps.png")
    looking.set()
    writing.set()
    await frame.sees("on Tuesdays.")
    await frame.sees_the_end()
    await frame.status.click()
    await frame.page.get_by_text("Explored").last.click()
    await frame.page.get_by_text("View Result from calculator__calculate").last.click()
    await frame.sees("237.5")
    await frame.picture(folder / "answer.png")


async def test_the_valves_look_as_in_the_readme(frame: Window, folder: Path) -> None:
    await frame.go("/admin/functions")
    await frame.page.get_by_role("button", name="Valves").click()
    valves = frame.page.get_by_role("dialog")
    await valves.get_by_role("textbox").first.fill(ADDRESS)
    await frame.picture(folder / "valves.png")


async def test_the_connection_looks_as_in_the_readme(frame: Window, folder: Path) -> None:
    await frame.go("/admin/settings/connections")
    await frame.page.get_by_role("button", name="Configure").first.click()
    connection = frame.page.get_by_role("dialog").last
    await connection.get_by_placeholder("API Base URL").fill(f"{ADDRESS}/v1")
    await connection.get_by_text("Advanced").click()
    await connection.get_by_text("Headers", exact=True).wait_for()
    await frame.picture(folder / "connection.png")
