"""What a tool's server asks, where people meet it: on the command line, on a terminal, in Open WebUI's dialog."""

import json

import httpx
import pytest

from tests.cli.terminal import open_terminal, run, surroundings
from tests.http.clerk import FILLED, asked, desk, result_of, script, uma
from tests.http.serving import USER_KEY, Served
from tests.open_webui.asking import Chat, load_pipe, words_of
from tests.support.scripted_model import ScriptedModel

__all__ = ["desk", "uma"]
pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


def chat_of(desk: Served, name: str, *answers: object) -> Chat:
    module = load_pipe()
    pipe = module.Pipe()
    pipe.valves = module.Pipe.Valves(BASE_URL=desk.url, API_KEY=USER_KEY)
    return Chat(pipe, chat_id=name, answers=[*answers])


async def test_dialog_asks_whether_to_answer_and_takes_what_is_typed(desk: Served, model: ScriptedModel) -> None:
    script(model, "ask me in a dialog")
    chat = chat_of(desk, "dialog", True, json.dumps(FILLED))
    assert words_of(await chat.lines("ask me in a dialog", model="clerk")).strip() == "There you are."
    assert [dialog["type"] for dialog in chat.dialogs] == ["confirmation", "input"]
    assert "ask me in a dialog" in chat.dialogs[0]["data"]["message"]
    told = [description for description, _ in chat.statuses]
    passed = ["clerk: test_elicitation asks something…", "Waiting for an answer", "clerk: test_elicitation answered"]
    assert [each for each in told if each in passed] == passed


async def test_dialog_that_is_left_without_words_leaves_the_question_open(
    desk: Served, uma: httpx.AsyncClient, model: ScriptedModel
) -> None:
    script(model, "leave the dialog")
    chat = chat_of(desk, "left", True, None)
    words = words_of(await chat.lines("leave the dialog", model="clerk"))
    question = await asked(uma)
    assert f"open-agent approvals answer {question['id']}" in words
    no = chat_of(desk, "left", False)
    said = [{"role": "user", "content": "leave the dialog"}, {"role": "assistant", "content": words}]
    assert words_of(await no.lines(*said, "what now?", model="clerk")).strip().endswith("There you are.")
    assert [dialog["type"] for dialog in no.dialogs] == ["confirmation"]


async def test_command_line_shows_and_answers_it(desk: Served, uma: httpx.AsyncClient, model: ScriptedModel) -> None:
    script(model, "ask me on the command line")
    env = {**surroundings(desk.url), "OPEN_AGENT_API_KEY": USER_KEY}
    left = await run("chat", "--agent", "clerk", "ask me on the command line", env=env)
    question = await asked(uma)
    assert (left.code, left.out) == (1, "")
    assert f"open-agent approvals answer {question['id']} name=value" in left.err
    assert "asks: ask me on the command line" in (await run("approvals", "list", env=env)).out
    wanted = await run("approvals", "answer", question["id"], env=env)
    assert "username (text)" in wanted.out
    wrong = await run("approvals", "answer", question["id"], "username=ada", env=env)
    assert (wrong.code, "'email' is a required property" in wrong.err) == (1, True)
    given = await run("approvals", "answer", question["id"], "username=ada", "email=ada@example.com", env=env)
    assert given.out == f"{question['id']}: edited\n"
    assert json.dumps(FILLED) in await result_of(uma, {"id": question["run_id"]})


async def test_chat_on_a_terminal_asks_for_each_field(desk: Served, model: ScriptedModel) -> None:
    script(model, "ask me here")
    env = {**surroundings(desk.url), "OPEN_AGENT_API_KEY": USER_KEY}
    async with open_terminal("chat", "--agent", "clerk", "ask me here", env=env) as terminal:
        for shown, typed in (("Answer it? [Y/n]", "y"), ("username (text):", "ada"), ("email (text):", "a@b.c")):
            await terminal.shows(shown)
            terminal.type(f"{typed}\n")
        await terminal.shows("There you are.")
