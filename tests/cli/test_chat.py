"""`open-agent chat`, in a pipe and on a terminal, against the real application."""

import asyncio
import signal

import pytest

from server.cli.remote import INTERRUPTED
from tests.cli.holding_proxy import open_holding_proxy
from tests.cli.terminal import open_command, open_terminal, run, surroundings
from tests.http.serving import ADMIN_KEY, Served, ended
from tests.support.scripted_model import Replies, ScriptedModel, plans_for, says
from tests.support.waiting import PATIENCE

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

POEM = "Roses are **red**.\n\n- one\n- two\n"


async def test_piped_question_puts_only_the_answer_on_stdout(served: Served, model: ScriptedModel) -> None:
    model.when(says("a poem"), Replies.text("Roses are **red**.\n", "\n- one\n", "- two\n"))
    ran = await run("chat", "--agent", "general", env=surroundings(served.url), stdin="a poem please\n")
    assert (ran.code, ran.out, ran.err) == (0, f"{POEM}\n", "")


async def test_failed_run_says_why_on_stderr_and_fails(served: Served, model: ScriptedModel) -> None:
    model.always(says("break"), Replies.error(401, "no such key"))
    ran = await run("chat", "--agent", "general", "break it", env=surroundings(served.url))
    assert (ran.code, ran.out) == (1, "")
    assert "OPENAI_API_KEY" in ran.err
    assert len(ran.err.splitlines()) == 1


async def test_answer_that_takes_more_than_its_limit_says_which(served: Served, model: ScriptedModel) -> None:
    model.when(says("at length"), Replies.text("word").costing(50, 50))
    asked = ("chat", "--agent", "general", "--limit", "tokens=60", "--limit", "seconds=30", "at length")
    ran = await run(*asked, env=surroundings(served.url))
    said = "the limit tokens = 60, set by the request, is used up: the run took 100 tokens\n"
    assert (ran.code, ran.out, ran.err) == (1, "", said)


@pytest.mark.exhaustive
async def test_unknown_agent_and_empty_question_are_refused_in_a_line(served: Served) -> None:
    unknown = await run("chat", "--agent", "nobody", "hello", env=surroundings(served.url))
    assert (unknown.code, len(unknown.err.splitlines())) == (1, 1)
    assert "nobody" in unknown.err
    empty = await run("chat", env=surroundings(served.url))
    assert (empty.code, empty.err) == (2, "The question is empty.\n")


async def test_server_that_does_not_run_is_told_with_how_to_start_it(unused_tcp_port: int) -> None:
    ran = await run("chat", "hello", env=surroundings(f"http://127.0.0.1:{unused_tcp_port}"))
    assert ran.code == 1
    assert "make run" in ran.err
    assert "Traceback" not in ran.err


async def test_plan_steps_tool_calls_and_answer_are_shown_as_they_happen(served: Served, model: ScriptedModel) -> None:
    clock = Replies.tool("time__get_current_time", {"timezone": "Asia/Tokyo"})
    steps = [{"agent": "tool-agent", "task": "read the clock"}, {"agent": "general", "task": "greet the world"}]
    model.when(plans_for("both of them"), Replies.plan(steps))
    model.when(lambda request: "read the clock" in request.last_user and not request.tool_results, clock)
    model.when(lambda request: "read the clock" in request.last_user, Replies.text("five past two"))
    model.when(lambda request: "greet the world" in request.last_user, Replies.text("hello world"))
    model.when(says("both of them"), Replies.text("It is **five past two**.\n\n", "Hello!"))
    async with open_terminal("chat", "both of them", env=surroundings(served.url)) as terminal:
        await terminal.shows("tokens")
        assert await terminal.left() == 0
        for shown in (
            "1  tool-agent  read the clock",
            "2  general     greet the world",
            "✓ tool-agent  time__get_current_time timezone=Asia/Tokyo",
            "It is five past two.",
            "Hello!",
        ):
            assert shown in terminal.text


async def test_conversation_goes_on_over_several_turns(served: Served, model: ScriptedModel) -> None:
    model.when(says("first thing"), Replies.text("One."))
    model.when(says("second thing"), Replies.text("Two."))
    async with open_terminal("chat", "-a", "general", env=surroundings(served.url)) as terminal:
        await terminal.shows("> ")
        terminal.type("first thing\n")
        await terminal.shows("One.")
        terminal.type("/agents\n/help\n/agent nobody\n/nonsense\n")
        await terminal.shows("There is no /nonsense")
        assert "*  general" in terminal.text
        assert "There is no agent nobody" in terminal.text
        terminal.type("second thing\n")
        await terminal.shows("Two.")
        terminal.type("/quit\n")
        await terminal.shows("To go on: open-agent chat -c conv_")
        assert await terminal.left() == 0
    second = await model.requested(says("second thing"))
    assert [message["content"] for message in second.messages if message["role"] == "assistant"] == ["One."]


async def test_end_of_input_leaves(served: Served) -> None:
    async with open_terminal("chat", env=surroundings(served.url)) as terminal:
        await terminal.shows("> ")
        terminal.type("\x04")
        assert await terminal.left() == 0


async def test_interrupt_stops_the_run_and_the_conversation_goes_on(served: Served, model: ScriptedModel) -> None:
    model.when(says("endless"), Replies.text("It ", "goes on").held(asyncio.Event(), after=1))
    model.when(says("are you there"), Replies.text("Still here."))
    async with open_terminal("chat", "-a", "general", env=surroundings(served.url)) as terminal:
        await terminal.shows("> ")
        terminal.type("endless\n")
        await model.requested(says("endless"))
        await terminal.shows("It")
        terminal.process.send_signal(signal.SIGINT)
        await terminal.shows("stopped")
        terminal.type("are you there\n")
        await terminal.shows("Still here.")
        terminal.type("/quit\n")
        assert await terminal.left() == 0


async def test_interrupt_of_a_single_question_cancels_and_leaves_as_shells_expect(
    served: Served, model: ScriptedModel
) -> None:
    model.when(says("hold on"), Replies.text("the first", "never").held(asyncio.Event(), after=1))
    async with open_terminal("chat", "-a", "general", "hold on", env=surroundings(served.url)) as terminal:
        await terminal.shows("the first")
        terminal.process.send_signal(signal.SIGINT)
        assert await terminal.left() == INTERRUPTED
    assert await end_of_newest_run(served) == "cancelled"


async def test_interrupt_in_a_pipe_also_cancels_a_run_that_is_only_being_made(
    served: Served, model: ScriptedModel
) -> None:
    model.when(says("hold back"), Replies.text("the first", "never").held(asyncio.Event(), after=1))
    async with (
        open_holding_proxy(served.url, b"/runs") as proxy,
        open_command("chat", "-a", "general", "hold back", env=surroundings(proxy.url)) as command,
    ):
        await model.requested(says("hold back"))
        command.send_signal(signal.SIGINT)
        proxy.gate.set()
        async with asyncio.timeout(PATIENCE):
            assert await command.wait() == INTERRUPTED
    assert await end_of_newest_run(served) == "cancelled"


async def end_of_newest_run(served: Served) -> str:
    async with served.client(ADMIN_KEY) as client:
        [newest] = (await client.get("/v1/runs", params={"limit": 1})).json()["data"]
        return str((await ended(client, newest["id"]))["status"])


async def test_what_a_model_writes_cannot_command_the_terminal(served: Served, model: ScriptedModel) -> None:
    model.when(says("trick"), Replies.text("before\x1b]0;owned\x07after"))
    async with open_terminal("chat", "-a", "general", "trick", env=surroundings(served.url)) as terminal:
        await terminal.shows("tokens")
        assert await terminal.left() == 0
        assert "before]0;ownedafter" in terminal.text
