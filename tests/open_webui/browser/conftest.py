"""Open WebUI, our application and a browser, once for all tests: Open WebUI alone takes minutes to start."""

from collections.abc import AsyncIterator, Callable
from typing import Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.http.serving import USER_KEY, Json, Served
from tests.open_webui.browser.webui import OpenWebUI, open_webui
from tests.open_webui.browser.window import Window, open_browser, open_window
from tests.support.scripted_model import Replies, ScriptedModel
from tests.support.scripted_replies import Match

CHORES: Final[dict[str, Json]] = {
    "title_generation": {"title": "A garden at night"},
    "tags_generation": {"tags": ["Garden"]},
    "follow_up_generation": {"follow_ups": ["And the roses?"]},
    "query_generation": {"queries": []},
}
"""What Open WebUI has written about a chat."""


def asks_for(chore: str) -> Match:
    return lambda request: request.schema_name == chore


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def webui(
    served: Served,
    model: ScriptedModel,
    tmp_path_factory: pytest.TempPathFactory,
    unused_tcp_port_factory: Callable[[], int],
) -> AsyncIterator[OpenWebUI]:
    for chore, written in CHORES.items():
        model.always(asks_for(chore), Replies.json(written))
    async with open_webui(tmp_path_factory.mktemp("open-webui"), unused_tcp_port_factory()) as webui:
        await webui.connect(served.url, USER_KEY)
        await webui.install_pipe(served.url, USER_KEY)
        await webui.models()
        yield webui


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def window(browser: Browser, webui: OpenWebUI) -> AsyncIterator[Window]:
    async with open_window(browser, webui) as window:
        yield window
