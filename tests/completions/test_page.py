"""The page on OpenAI's API does what it says: its Python is run as a reader would run it."""

from pathlib import Path

import pytest

from tests.docs.pages import read_page, run_page
from tests.http.serving import USER_KEY, Served
from tests.support.scripted_model import Replies, ScriptedModel, plans_for, says

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.slow
async def test_the_pages_python_prints_the_answer(model: ScriptedModel, served: Served, tmp_path: Path) -> None:
    question = "What time is it in Tokyo right now?"
    model.when(plans_for(question), Replies.plan([{"agent": "general", "task": question}]))
    model.when(says(question), Replies.text("It is ", "early."))
    replaced = {"http://127.0.0.1:8000": served.url, "YOUR-KEY": USER_KEY}
    assert await run_page(read_page("openai-api.md"), tmp_path, replaced, {"NO_PROXY": "127.0.0.1"}) == "It is early."
