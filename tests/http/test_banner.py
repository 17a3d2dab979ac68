"""The banner: what it says is true, and its line works when it is pasted."""

import asyncio
import shutil

import pytest

from server.banner import build_banner, build_paste_line
from tests.http.serving import USER_KEY, Served, parse_stream
from tests.support.scripted_model import Replies, ScriptedModel, plans_for, says
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def run_shell(shell: str, line: str, **environment: str) -> str:
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "no_proxy": "127.0.0.1", **environment}
    process = await asyncio.create_subprocess_exec(
        shell, "-c", line, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment
    )
    async with asyncio.timeout(PATIENCE):
        out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return out.decode()


@pytest.mark.parametrize("shell", ["bash", "sh"])
@pytest.mark.parametrize("key", [USER_KEY, None])
async def test_the_line_asks_and_shows_the_answer_as_it_comes(
    served: Served, model: ScriptedModel, shell: str, key: str | None
) -> None:
    assert shutil.which("curl"), "the banner's line needs curl"
    question = f"What's new, {shell} {'with' if key else 'without'} a key?"
    model.when(plans_for(question), Replies.plan([{"agent": "general", "task": question}]))
    model.when(says(question), Replies.text("Not ", "much."))
    out = await run_shell(shell, build_paste_line(served.url, key, question), API_KEY=USER_KEY)
    sent = parse_stream(out)
    assert (sent[0].event, sent[-1].event) == ("run.started", "run.completed")
    assert '"output":"Not much."' in out


async def test_the_banner_shows_a_generated_key_and_no_other() -> None:
    assert "oa-generated" in build_banner("http://127.0.0.1:8000", "oa-generated")
    assert "$API_KEY" in build_banner("http://127.0.0.1:8000", None)
