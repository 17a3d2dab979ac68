"""`open-agent chat`: a conversation on a terminal; in a pipe, one question and its answer."""

import asyncio
import readline  # noqa: F401 - with it, `input` edits its line and remembers those before
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from config.agents import ROUTER
from graph.events import RunCancelled, RunCompleted, RunFailed
from server.cli.asking import settle
from server.cli.limits import LimitOption, read_limits
from server.cli.remote import INTERRUPTED, KeyOption, UrlOption, call_server, explained, find_server
from server.cli.run_view import RunView
from server.cli.settings import stop_with
from server.cli.tables import build_table, one_line, open_console, safe
from server.cli.talk import End, Talk, Waits
from server.client import Client, ClientError, open_client

HELP: Final = {
    "/help": "show this",
    "/agents": "list the agents",
    "/agent ID": "ask this agent from now on (router: let it plan)",
    "/new": "start a new conversation",
    "/quit": "leave (Ctrl-D does, too)",
}
QuestionArgument = Annotated[
    str | None, typer.Argument(metavar="QUESTION", help="Ask this, show the answer, and leave.")
]
AgentOption = Annotated[str, typer.Option("--agent", "-a", metavar="ID", help="Who is asked.")]
ConversationOption = Annotated[
    str | None, typer.Option("--conversation", "-c", metavar="ID", help="Go on with this conversation.")
]
BeginTalk = Callable[[Client], Talk]


def chat(
    question: QuestionArgument = None,
    agent: AgentOption = ROUTER,
    conversation: ConversationOption = None,
    limit: LimitOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Ask, and see the plan, the steps and the tool calls as they happen.

    Without a question it is a conversation; Ctrl-C stops the run, a second one leaves. In a pipe the question comes
    from standard input, and nothing but the answer goes to standard output.
    """
    console, begin = open_console(), partial(Talk, agent=agent, conversation=conversation, limits=read_limits(limit))
    asked = question or _piped_question()
    if asked is None:
        _converse(console, *find_server(url, key), begin)
        return
    if console.is_terminal and sys.stdin.isatty():
        _leave_by(_ask_here(console, *find_server(url, key), asked, begin), "", shown=True)
        return
    view = RunView(console) if console.is_terminal else None
    try:
        end, answer = call_server(url, key, lambda client: _ask_once(begin(client), asked, view))
    except asyncio.CancelledError:
        raise typer.Exit(INTERRUPTED) from None
    _leave_by(end, answer, shown=view is not None)


def _piped_question() -> str | None:
    """Returns what is piped in, or None when a person sits there."""
    if sys.stdin.isatty():
        if sys.stdout.isatty():
            return None
        stop_with('What is the question? open-agent chat "…", or pipe it in.', code=2)
    asked = sys.stdin.read().strip()
    if not asked:
        stop_with("The question is empty.", code=2)
    return asked


async def _ask_once(talk: Talk, question: str, view: RunView | None) -> tuple[End | Waits, str]:
    end = await talk.ask(question, view)
    return end, await talk.answer(end) if view is None and isinstance(end, RunCompleted) else ""


def _leave_by(end: End | Waits, answer: str, *, shown: bool) -> None:
    if isinstance(end, Waits):
        stop_with(end.how_to_go_on)
    if isinstance(end, RunCancelled):
        raise typer.Exit(INTERRUPTED)
    if isinstance(end, RunFailed):
        if shown:
            raise typer.Exit(1)
        stop_with(end.error.detail)
    if not shown:
        print(answer)


# ---------------------------------------------------------------------- a conversation
def _ask_here(console: Console, address: str, key: str, question: str, begin: BeginTalk) -> End | Waits:
    """Asks one question of a person who is there to answer some."""
    view = RunView(console)
    with _open_talk(address, key, begin) as (runner, talk):
        try:
            return settle(console, runner, talk, runner.run(talk.ask(question, view)), view)
        except (asyncio.CancelledError, KeyboardInterrupt):
            raise typer.Exit(INTERRUPTED) from None


def _converse(console: Console, address: str, key: str, begin: BeginTalk) -> None:
    with _open_talk(address, key, begin) as (runner, talk):
        runner.run(_greet(console, talk, address))
        _take_turns(console, runner, talk)
        _tell_how_to_go_on(console, talk)


@contextmanager
def _open_talk(address: str, key: str, begin: BeginTalk) -> Iterator[tuple[asyncio.Runner, Talk]]:
    """Where a person types, nothing else runs meanwhile: Ctrl-C is then theirs, and not a task's."""
    with asyncio.Runner() as runner:
        closing = AsyncExitStack()
        try:
            client = runner.run(closing.enter_async_context(open_client(address, key)))
            yield runner, begin(client)
        except ClientError as error:
            stop_with(explained(error))
        finally:
            runner.run(closing.aclose())


def _take_turns(console: Console, runner: asyncio.Runner, talk: Talk) -> None:
    view = RunView(console)
    while (line := _read_line()) is not None:
        try:
            if line.startswith("/"):
                if not runner.run(_obey(console, talk, line)):
                    return
            elif line:
                console.print()
                _take_turn(console, runner, talk, line, view)
                console.print()
        except ClientError as error:
            console.print(explained(error), style="red")
        except (asyncio.CancelledError, KeyboardInterrupt):
            return


def _take_turn(console: Console, runner: asyncio.Runner, talk: Talk, question: str, view: RunView) -> None:
    end: End | Waits | None = runner.run(talk.find_waiting())
    if end:
        console.print("First, what the conversation waits for:", style="yellow")
        end = settle(console, runner, talk, end, view)
    if not isinstance(end, Waits):
        end = settle(console, runner, talk, runner.run(talk.ask(question, view)), view)
    if isinstance(end, Waits):
        console.print(safe(end.how_to_go_on), style="yellow")


def _read_line() -> str | None:
    """Returns what the person typed; None when they leave."""
    try:
        return input("> ").strip()
    except (EOFError, KeyboardInterrupt):
        print()
        return None


async def _greet(console: Console, talk: Talk, address: str) -> None:
    """Says where one is; fails at once when the server, the agent or the conversation is not there."""
    agent = await talk.client.get_agent(talk.agent)
    if talk.conversation:
        await talk.client.get_conversation(talk.conversation)
    console.print(Text.assemble(("open-agent", "bold"), f"  {address}  ", (agent.id, "cyan")))
    console.print("/help shows what else there is; Ctrl-C stops a run.", style="dim")
    console.print()


def _tell_how_to_go_on(console: Console, talk: Talk) -> None:
    if talk.conversation:
        console.print(f"To go on: open-agent chat -c {talk.conversation}", style="dim")


async def _obey(console: Console, talk: Talk, line: str) -> bool:
    """Does what a slash command says; returns whether to go on."""
    command, _, rest = line.partition(" ")
    match command:
        case "/quit" | "/exit" | "/q":
            return False
        case "/new":
            talk.conversation = None
            console.print("A new conversation.", style="dim")
        case "/agent" if rest.strip():
            talk.agent = (await talk.client.get_agent(rest.strip())).id
            console.print(f"Asking {talk.agent} from now on.", style="dim")
        case "/agent" | "/agents":
            await _list_agents(console, talk)
        case _:
            _show_help(console, command)
    return True


async def _list_agents(console: Console, talk: Talk) -> None:
    table = build_table("", "AGENT", "WHAT IT IS GOOD AT")
    for agent in await talk.client.agents():
        if agent.enabled:
            table.add_row("*" if agent.id == talk.agent else "", agent.id, one_line(agent.description))
    console.print(table)


def _show_help(console: Console, command: str) -> None:
    if command != "/help":
        console.print(f"There is no {safe(command)}.", style="yellow")
    for name, meaning in HELP.items():
        console.print(Text.assemble((f"  {name:<12}", "bold"), meaning))
