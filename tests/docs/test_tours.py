"""Every block marked `bash tour` in the README and in `docs/` is run, as a reader would paste it."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from config.checkout import CHECKOUT
from tests.http.serving import ADMIN_KEY, Served, build_settings, open_served
from tests.support.scripted_model import Replies, ScriptedModel, has_result, open_scripted_model, plans_for, says
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.slow
"""Each test starts processes of its own."""

ADDRESS: Final = "http://127.0.0.1:8000"
PAGES: Final = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
PREAMBLE: Final = f"""set -eu
API={ADDRESS}/v1
AUTH="Authorization: Bearer $(cat data/api_key)"
JSON="Content-Type: application/json"
"""
"""What every page but the README expects from the README's tour."""
QUESTION: Final = "What time is it in Tokyo right now?"


def tour_of(page: Path) -> str:
    return "\n".join(re.findall(r"^```bash tour\n(.*?)^```", page.read_text(), flags=re.DOTALL | re.MULTILINE))


TOURS: Final = [page for page in PAGES if tour_of(page)]


@pytest_asyncio.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    async with open_scripted_model() as model:
        model.when(plans_for(QUESTION), Replies.plan([{"agent": "tool-agent", "task": QUESTION}]))
        model.when(lambda r: says(QUESTION)(r) and has_result()(r), Replies.text("It is ", "early."))
        model.when(says(QUESTION), Replies.tool("time__get_current_time", {"timezone": "Asia/Tokyo"}))
        yield model


@pytest_asyncio.fixture
async def served(model: ScriptedModel, tmp_path: Path) -> AsyncIterator[Served]:
    async with open_served(build_settings(tmp_path / "data", model.base_url)) as served:
        (tmp_path / "data" / "api_key").write_text(ADMIN_KEY)
        yield served


async def walk(tour: str, served: Served, folder: Path) -> str:
    """Returns what the tour prints when it is pasted in the server's folder."""
    script = folder / "tour.sh"
    script.write_text((PREAMBLE + tour).replace(ADDRESS, served.url))
    shell = await asyncio.create_subprocess_exec(
        "bash", script, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    printed, _ = await asyncio.wait_for(shell.communicate(), PATIENCE)
    assert shell.returncode == 0, printed.decode()
    return printed.decode()


@pytest.mark.exhaustive
@pytest.mark.parametrize("page", TOURS, ids=lambda page: page.name)
async def test_the_tour_meets_no_problem(page: Path, served: Served, tmp_path: Path) -> None:
    printed = await walk(tour_of(page), served, tmp_path)
    assert '"status":"completed"' in printed or page.name != "README.md"
    assert "about:blank" not in printed
    assert '"code":' not in printed


@pytest.mark.exhaustive
async def test_the_readme_shows_plan_tool_call_answer_and_the_same_bytes_again(served: Served, tmp_path: Path) -> None:
    printed = await walk(tour_of(CHECKOUT / "README.md"), served, tmp_path)
    first, again = re.findall(r"retry: .*?event: run\.completed\n.*?\n\n", printed, flags=re.DOTALL)
    assert first.partition("id: 4\n")[2] == again.partition("id: 4\n")[2] != ""
    for shown in ('"type":"plan.created"', '"tool":"time__get_current_time"', "It is early.", '"id":"poet"'):
        assert shown in printed
