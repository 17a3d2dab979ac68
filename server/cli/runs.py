"""`open-agent runs`: what runs did, and following one that is at work."""

from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.text import Text

from config.agents import Limits
from server.cli.limits import LimitOption as LimitsOption
from server.cli.limits import read_limits
from server.cli.remote import JsonOption, KeyOption, UrlOption, call_server
from server.cli.run_view import RunView
from server.cli.settings import stop_with
from server.cli.tables import (
    build_table,
    one_line,
    open_console,
    print_json,
    print_listing,
    safe,
    shown_arguments,
    shown_moment,
    shown_span,
    shown_status,
)
from server.client import Client
from server.resources.runs import Run, Step

app = typer.Typer(help="What runs did: their plan, steps and tool calls.", no_args_is_help=True, add_completion=False)
RunArgument = Annotated[str | None, typer.Argument(metavar="RUN", help="Its id; without it, the newest run.")]
ConversationOption = Annotated[
    str | None, typer.Option("--conversation", "-c", metavar="ID", help="Only the runs of this conversation.")
]
LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, max=100, help="How many at most.")]
StepOption = Annotated[
    str | None, typer.Option("--step", "-s", metavar="STEP", help="Its number in `runs show`, or its id.")
]
TaskOption = Annotated[str | None, typer.Option("--task", "-t", metavar="TEXT", help="Other words for that step.")]
AgentOption = Annotated[str | None, typer.Option("--agent", "-a", metavar="ID", help="Another agent for that step.")]


@app.command("list")
def list_runs(
    conversation: ConversationOption = None,
    limit: LimitOption = 20,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List runs, the newest first: those of one conversation, or of all."""
    runs = call_server(url, key, lambda client: _newest_runs(client, conversation, limit))
    if as_json:
        print_json(runs)
        return
    table = build_table("RUN", "STATUS", "STARTED", "TOOK", "AGENT")
    for run in runs:
        took = shown_span(run.started_at, run.ended_at)
        table.add_row(run.id, shown_status(run.status), shown_moment(run.created_at)[5:-3], took, run.agent_id)
    print_listing(table, "No runs yet: `open-agent chat` makes one.")


@app.command("show")
def show_run(
    run: RunArgument = None, url: UrlOption = None, key: KeyOption = None, as_json: JsonOption = False
) -> None:
    """Show what a run did: each step and each tool call, with what came of it."""
    found, steps = call_server(url, key, lambda client: _read(client, run))
    if as_json:
        print_json({**found.model_dump(mode="json"), "steps": [step.model_dump(mode="json") for step in steps]})
        return
    console = open_console()
    for name, value in _facts(found).items():
        console.print(Text.assemble((f"{name:<14}", "bold"), value))
    for number, step in enumerate(steps, start=1):
        console.print()
        for line in _step_lines(number, step):
            console.print(line)


@app.command("tail")
def tail_run(
    run: RunArgument = None, url: UrlOption = None, key: KeyOption = None, as_json: JsonOption = False
) -> None:
    """Follow a run to its end, from its beginning. With --json: one event a line."""
    ended = call_server(url, key, lambda client: _tail(client, run, as_json))
    if ended != "run.completed":
        raise typer.Exit(1)


@app.command("cancel")
def cancel_run(run: RunArgument = None, url: UrlOption = None, key: KeyOption = None) -> None:
    """Ask a run to stop."""

    async def cancel(client: Client) -> Run:
        return await client.cancel(await _find_id(client, run))

    asked = call_server(url, key, cancel)
    print(f"{asked.id}: {'asked to stop' if asked.ended_at is None else asked.status}")


@app.command("fork")
def fork_run(
    run: RunArgument = None,
    step: StepOption = None,
    task: TaskOption = None,
    agent: AgentOption = None,
    limit: LimitsOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Answer a run's question once more: one step anew, with all that depends on it; the others are kept.

    Without --step it is the step that failed, else the answer. The new run is followed to its end.
    """
    wish = Wish(step, task, agent, read_limits(limit))
    if call_server(url, key, lambda client: _fork(client, run, wish)) != "run.completed":
        raise typer.Exit(1)


async def _newest_runs(client: Client, conversation: str | None, limit: int) -> list[Run]:
    page = await (client.runs(conversation, limit=limit) if conversation else client.all_runs(limit=limit))
    return page.data


async def _find_id(client: Client, run_id: str | None) -> str:
    if run_id:
        return run_id
    newest = await _newest_runs(client, None, 1)
    if not newest:
        stop_with("There is no run yet: ask something with `open-agent chat`.")
    return newest[0].id


async def _read(client: Client, run_id: str | None) -> tuple[Run, list[Step]]:
    found = await _find_id(client, run_id)
    return await client.get_run(found), await client.steps(found)


@dataclass(frozen=True)
class Wish:
    """Where a fork goes another way, and how."""

    step: str | None
    task: str | None
    agent_id: str | None
    limits: Limits | None


async def _fork(client: Client, run_id: str | None, wish: Wish) -> str:
    """Returns the type of the new run's last event."""
    source = await _find_id(client, run_id)
    step = await _find_step(client, source, wish.step)
    forked = await client.fork(source, step, task=wish.task, agent_id=wish.agent_id, limits=wish.limits)
    open_console().print(f"{forked.id}, forked from {source}", style="dim")
    return await _tail(client, forked.id, False)


async def _find_step(client: Client, run_id: str, said: str | None) -> str | None:
    """Returns the step's id; `runs show` numbers them."""
    if said is None or not said.isdecimal():
        return said
    steps = await client.steps(run_id)
    if not 0 < int(said) <= len(steps):
        stop_with(f"{run_id} has no step {said}: open-agent runs show {run_id} numbers its {len(steps)} steps.")
    return steps[int(said) - 1].id


async def _tail(client: Client, run_id: str | None, as_json: bool) -> str:
    run = await client.get_run(await _find_id(client, run_id))
    view, last = RunView(open_console()), ""
    async with aclosing(client.events(run.id)) as events:
        if as_json:
            async for event in events:
                print(event.model_dump_json(), flush=True)
                last = event.type
            return last
        with view.following():
            async for event in events:
                view.show(event)
                last = event.type
    return last


def _facts(run: Run) -> dict[str, str | Text]:
    facts: dict[str, str | Text] = {
        "run": run.id,
        "conversation": run.conversation_id,
        "agent": run.agent_id,
        "status": shown_status(run.status),
        "why": safe(run.error.detail) if run.error else "",
        "began": shown_moment(run.started_at or run.created_at),
        "took": shown_span(run.started_at, run.ended_at),
        "tokens": f"{run.usage.total_tokens:,}{' (estimated)' if run.usage_estimated else ''}",
        "attempts": str(run.attempt) if run.attempt > 1 else "",
    }
    return {name: value for name, value in facts.items() if value}


def _step_lines(number: int, step: Step) -> list[Text]:
    lines = [Text.assemble((f"{number}  {step.agent}", "bold cyan"), f" ({step.kind})  ", shown_status(step.status))]
    if step.kind == "agent":
        lines.append(Text(f"   {one_line(step.task)}"))
    for call in step.tool_calls:
        lines.append(Text.assemble("   ", (call.tool, "bold"), " ", (shown_arguments(call.arguments), "dim"), "  "))
        lines[-1].append_text(shown_status(call.status))
        lines.append(Text(f"     {one_line(call.result or (call.error.detail if call.error else ''))}", style="dim"))
    said = step.error.detail if step.error else step.output
    if said and step.kind != "plan":
        lines.append(Text(f"   → {one_line(said)}", style="red" if step.error else ""))
    return lines
