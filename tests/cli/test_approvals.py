"""`open-agent approvals`, and `open-agent chat` where a run waits for a person."""

import json

import pytest

from tests.cli.terminal import run, surroundings
from tests.cli.test_looking import tools_up
from tests.http.serving import Served
from tests.support.scripted_model import Replies, ScriptedModel, has_result, says

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


async def test_chat_says_how_to_approve_and_the_command_does(served: Served, model: ScriptedModel) -> None:
    await tools_up(served)
    model.when(has_result("1003"), Replies.text("It is 1003."))
    model.when(says("add them"), Replies.tool("calculator__calculate", {"expression": "999+1"}))
    env = surroundings(served.url)
    asked = await run("chat", "--agent", "tool-agent", "add them", env=env)
    listed = json.loads((await run("approvals", "list", "--json", env=env)).out)
    [waiting] = listed
    assert (asked.code, asked.out) == (1, "")
    assert f"open-agent approvals approve {waiting['id']}" in asked.err
    shown = await run("approvals", "list", env=env)
    assert waiting["id"] in shown.out
    assert "calculator__calculate" in shown.out

    bad = await run("approvals", "approve", waiting["id"], "--arguments", "[1]", env=env)
    assert bad.code == 2
    edit = ["--arguments", '{"expression": "999+4"}']
    approved = await run("approvals", "approve", waiting["id"], *edit, env=env)
    assert approved.out == f"{waiting['id']}: edited\n"
    ended = await run("runs", "tail", waiting["run_id"], env=env)
    assert "It is 1003." in ended.out
    again = await run("approvals", "reject", waiting["id"], "--reason", "no", env=env)
    assert (again.code, again.err) == (1, "It was edited before, by ann.\n")
