"""The page on following a run, run against the real application."""

from pathlib import Path

import pytest

from tests.docs.pages import read_page, run_page, trimmed
from tests.http.serving import ADMIN_KEY, build_settings, open_served
from tests.support.scripted_model import Replies, ScriptedModel, says


@pytest.mark.slow
async def test_the_page_prints_what_it_says(tmp_path: Path, scripted_model: ScriptedModel) -> None:
    scripted_model.when(says("Say hello."), Replies.text("Hello."))
    page = read_page("streaming.md")
    settings = build_settings(tmp_path / "data", scripted_model.base_url, mcp_servers='{"mcpServers": {}}')
    async with open_served(settings) as served:
        replaced = {"http://127.0.0.1:8000": served.url, "oa-…": ADMIN_KEY}
        printed = await run_page(page, tmp_path, replaced, {})
    assert trimmed(printed) == trimmed(page.promised)
