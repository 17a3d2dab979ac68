"""The page on the Python client, run against the real application."""

from pathlib import Path

import pytest

from tests.docs.pages import read_page, run_page, trimmed
from tests.http.serving import ADMIN_KEY, build_settings, open_served
from tests.support.scripted_model import Replies, ScriptedModel, has_result, says
from tests.support.waiting import until

QUESTION = "What time is it in Tokyo right now?"


@pytest.mark.exhaustive
@pytest.mark.slow
async def test_the_page_prints_what_it_says(tmp_path: Path, scripted_model: ScriptedModel) -> None:
    for _ in range(2):
        scripted_model.when(lambda r: says(QUESTION)(r) and has_result()(r), Replies.text("It is ", "early."))
        scripted_model.when(
            lambda r: says(QUESTION)(r) and not r.tool_results,
            Replies.tool("time__get_current_time", {"timezone": "Asia/Tokyo"}),
        )
    page = read_page("python-client.md")
    async with open_served(build_settings(tmp_path / "data", scripted_model.base_url)) as served:
        async with served.client(ADMIN_KEY) as client:

            async def up() -> bool:
                listed = (await client.get("/v1/tools")).json()["data"]
                return {"time", "calculator"} <= {tool["server"] for tool in listed}

            await until(up)
        replaced = {"http://127.0.0.1:8000": served.url, "oa-…": ADMIN_KEY}
        printed = await run_page(page, tmp_path, replaced, {})
    assert trimmed(printed) == trimmed(page.promised)
