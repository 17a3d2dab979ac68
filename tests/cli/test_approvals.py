"""`open-agent approvals`, and `open-agent chat` where a run waits for a person."""

import json
import signal

import pytest

from tests.cli.terminal import Terminal, open_terminal, run, surroundings
from tests.cli.test_looking import tools_up
from tests.http.serving import Served
from tests.support.scripted_model import Replies, ScriptedModel, has_result, says
from tests.support.scripted_replies import Match
from tests.support.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


def both(one: Match, other: Match) -> Match:
    return lambda request: one(request) and other(request)


async def asked(terminal: Terminal, times: int) -> None:
    await shown_times(terminal, "or why not]", times)


async def called_with(terminal: Terminal, times: int) -> None:
    await shown_times(terminal, "Call it with:", times)


async def shown_times(terminal: Terminal, text: str, times: int) -> None:
    async def shown() -> bool:
        return terminal.text.count(text) >= times

    await until(shown)


@pytest.mark.exhaustive
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
    seen = (await run("approvals", "show", waiting["id"], env=env)).out.split("\n")
    assert [line.split() for line in seen if line.startswith(("status", "call", "result"))] == [
        ["status", "edited", "by", "ann"],
        ["call", "ok"],
        ["result", "1003"],
    ]


async def test_at_the_prompt_a_call_is_approved_edited_or_rejected(served: Served, model: ScriptedModel) -> None:
    await tools_up(served)
    for question, expression, answer in (("sum one", "999+10", "1009"), ("sum two", "999+20", "1022")):
        model.when(both(says(question), has_result(answer)), Replies.text(f"It is {answer}."))
        model.when(says(question), Replies.tool("calculator__calculate", {"expression": expression}))
    model.when(both(says("sum three"), has_result("")), Replies.text("Then not."))
    model.when(says("sum three"), Replies.tool("calculator__calculate", {"expression": "999+30"}))
    async with open_terminal("chat", "-a", "tool-agent", env=surroundings(served.url)) as terminal:
        await terminal.shows("> ")
        terminal.type("sum one\n")
        await asked(terminal, 1)
        assert "tool-agent wants to call calculator__calculate" in terminal.text
        assert '"expression": "999+10"' in terminal.text
        terminal.type("y\n")
        await terminal.shows("It is 1009.")
        terminal.type("sum two\n")
        await asked(terminal, 2)
        terminal.type("e\n")
        await terminal.shows('Call it with: {"expression": "999+20"}')
        terminal.type("\x15nonsense\n")
        await asked(terminal, 3)
        assert "That is no JSON object" in terminal.text
        terminal.type("e\n")
        await called_with(terminal, 2)
        terminal.type('\x15{"expression": "666"}\n')
        await asked(terminal, 4)
        assert "a rule denies it" in terminal.text
        terminal.type("e\n")
        await called_with(terminal, 3)
        terminal.type('\x15{"expression": "999+23"}\n')
        await terminal.shows("It is 1022.")
        terminal.type("sum three\n")
        await asked(terminal, 5)
        terminal.type("too big\n")
        await terminal.shows("Then not.")
        terminal.type("/quit\n")
        assert await terminal.left() == 0
    request = next(each for each in model.requests if says("sum three")(each) and each.tool_results)
    assert "too big" in request.tool_results[0]


@pytest.mark.exhaustive
async def test_interrupt_leaves_a_question_open_and_the_conversation_comes_back_to_it(
    served: Served, model: ScriptedModel
) -> None:
    await tools_up(served)
    model.when(both(says("leave it"), has_result("1039")), Replies.text("It is 1039."))
    model.when(says("leave it"), Replies.tool("calculator__calculate", {"expression": "999+40"}))
    model.when(says("what else"), Replies.text("Nothing else."))
    env = surroundings(served.url)
    async with open_terminal("chat", "-a", "tool-agent", "leave it", env=env) as terminal:
        await terminal.shows("May it?")
        terminal.process.send_signal(signal.SIGINT)
        await terminal.shows("open-agent approvals approve appr_")
        assert await terminal.left() == 1
    listed = json.loads((await run("approvals", "list", "--json", env=env)).out)
    [waiting] = [each for each in listed if each["arguments"] == {"expression": "999+40"}]
    shown = json.loads((await run("runs", "show", waiting["run_id"], "--json", env=env)).out)
    conversation = shown["conversation_id"]
    async with open_terminal("chat", "-a", "tool-agent", "-c", conversation, env=env) as terminal:
        await terminal.shows("> ")
        terminal.type("what else\n")
        await terminal.shows("First, what the conversation waits for:")
        await terminal.shows("May it?")
        terminal.type("y\n")
        await terminal.shows("It is 1039.")
        await terminal.shows("Nothing else.")
        terminal.type("/quit\n")
        assert await terminal.left() == 0
