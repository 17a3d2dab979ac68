"""`open-agent approvals`: tool calls that wait for a person, questions of their servers, and what that person says."""

import json
from typing import Annotated

import typer
from pydantic import JsonValue

from config.plain_sight import show_bounded
from server.cli.remote import JsonOption, KeyOption, UrlOption, call_server
from server.cli.settings import stop_with
from server.cli.tables import (
    build_table,
    one_line,
    open_console,
    print_json,
    print_listing,
    safe,
    shown_moment,
    shown_status,
)
from server.client import Client
from server.resources.approvals import Approval, ApprovalStatus
from server.resources.forms import describe_question, read_form

app = typer.Typer(
    help="Tool calls that wait for a person, and answering them.", no_args_is_help=True, add_completion=False
)
ApprovalArgument = Annotated[str, typer.Argument(metavar="APPROVAL", help="Its id; `approvals list` shows it.")]
AllOption = Annotated[bool, typer.Option("--all", help="Also those that were answered, expired or cancelled.")]
ArgumentsOption = Annotated[
    str | None, typer.Option("--arguments", metavar="JSON", help="Make the call with these instead, one JSON object.")
]
ValuesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="NAME=VALUE…", help="What it wants, one for each of its fields.")
]
ReasonOption = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; the model is told.")]


@app.command("list")
def list_approvals(
    everything: AllOption = False, url: UrlOption = None, key: KeyOption = None, as_json: JsonOption = False
) -> None:
    """List the calls that wait for you, the newest first."""
    status: ApprovalStatus | None = None if everything else "pending"
    found = call_server(url, key, lambda client: client.approvals(status)).data
    if as_json:
        print_json(found)
        return
    table = build_table("APPROVAL", "STATUS", "UNTIL", "AGENT", "TOOL", "ARGUMENTS")
    for approval in found:
        until, agent = shown_moment(approval.expires_at)[5:-3], approval.agent or "-"
        asked = approval.arguments.get("message") if approval.kind == "question" else None
        shown = show_bounded(approval.arguments) if asked is None else one_line(f"asks: {asked}")
        table.add_row(approval.id, shown_status(approval.status), until, agent, approval.tool, shown)
    print_listing(table, "Nothing waits for you." if status else "Nothing was asked yet.")


@app.command("show")
def show(approval: ApprovalArgument, url: UrlOption = None, key: KeyOption = None, as_json: JsonOption = False) -> None:
    """Show a question, its answer, and what came of the call."""
    found = call_server(url, key, lambda client: client.get_approval(approval))
    if as_json:
        print_json(found)
        return
    table = build_table("", "")
    table.show_header = False
    table.add_row("status", _answer(found))
    table.add_row("tool", found.tool)
    table.add_row("arguments", show_bounded(found.edited or found.arguments))
    table.add_row("rule", safe(found.rule))
    if made := found.tool_call:
        table.add_row("call", shown_status(made.status))
        table.add_row("result", safe(made.result or ""))
    open_console().print(table)


def _answer(approval: Approval) -> str:
    by = f" by {approval.resolved_by}" if approval.resolved_by else ""
    return safe(f"{approval.status}{by}{f': {approval.reason}' if approval.reason else ''}")


@app.command("approve")
def approve(
    approval: ApprovalArgument, arguments: ArgumentsOption = None, url: UrlOption = None, key: KeyOption = None
) -> None:
    """Allow a call; its run goes on by itself. `show` says what came of it."""
    edited = _parsed(arguments)

    async def say(client: Client) -> Approval:
        return await (client.approve(approval) if edited is None else client.edit(approval, edited))

    print(f"{approval}: {call_server(url, key, say).status}")


@app.command("answer")
def answer(
    approval: ApprovalArgument, values: ValuesArgument = None, url: UrlOption = None, key: KeyOption = None
) -> None:
    """Answer what a tool's server asks: `answer appr_… name=Ada`. Without values, show what it wants."""
    given = dict(_split(value) for value in values or ())

    async def say(client: Client) -> Approval:
        asked = await client.get_approval(approval)
        fields = {field.name: field for field in read_form(asked.arguments)}
        if not given and fields:
            print(safe(describe_question(asked)))
            return asked
        read = {name: fields[name].read(typed) if name in fields else typed for name, typed in given.items()}
        return await (client.edit(approval, read) if fields else client.approve(approval))

    print(f"{approval}: {call_server(url, key, say).status}")


@app.command("reject")
def reject(
    approval: ApprovalArgument, reason: ReasonOption = None, url: UrlOption = None, key: KeyOption = None
) -> None:
    """Forbid a call, or tell a server nothing; the model is told, and its run goes on without it."""
    print(f"{approval}: {call_server(url, key, lambda client: client.reject(approval, reason)).status}")


def _split(value: str) -> tuple[str, str]:
    name, equals, typed = value.partition("=")
    if not equals:
        stop_with(f"{value!r} is no answer; write name=value.", code=2)
    return name, typed


def _parsed(arguments: str | None) -> dict[str, JsonValue] | None:
    if arguments is None:
        return None
    try:
        edited = json.loads(arguments)
    except ValueError:
        edited = None
    if not isinstance(edited, dict):
        stop_with('--arguments is one JSON object, such as \'{"timezone": "Asia/Tokyo"}\'.', code=2)
    return edited
