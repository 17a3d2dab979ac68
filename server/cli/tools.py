"""`open-agent tools`: what agents can use now, and a call by hand down the same governed path."""

import json
import sys
from typing import Annotated

import typer
from pydantic import JsonValue
from rich.text import Text

from server.cli.logins import list_servers, log_in, log_out
from server.cli.remote import JsonOption, KeyOption, UrlOption, call_server
from server.cli.settings import stop_with
from server.cli.tables import build_table, one_line, open_console, print_json, safe
from server.cli.tool_changes import approve_tools, diff_tools, lock_tools
from server.client import Client
from server.resources.runs import ToolCall
from server.resources.tools import Tool

app = typer.Typer(
    help="The tools that agents use, calling one by hand, approving their definitions, logging in to servers.",
    no_args_is_help=True,
    add_completion=False,
)
ToolArgument = Annotated[str, typer.Argument(metavar="TOOL", help="Its name, such as `time__get_current_time`.")]
ArgumentsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME=VALUE", help="The arguments, or all of them as one JSON object."),
]


@app.command("list")
def list_tools(url: UrlOption = None, key: KeyOption = None, as_json: JsonOption = False) -> None:
    """List the tools of the MCP servers that are up."""
    tools = call_server(url, key, Client.tools)
    if as_json:
        print_json(tools)
        return
    table = build_table("TOOL", "WHAT IT DOES")
    for tool in sorted(tools, key=lambda tool: tool.server):
        table.add_row(tool.name, one_line(tool.description, 120))
    open_console().print(table)


@app.command("show")
def show_tool(tool: ToolArgument, url: UrlOption = None, key: KeyOption = None, as_json: JsonOption = False) -> None:
    """Show one tool: what it does and which arguments it takes."""
    found = call_server(url, key, lambda client: client.get_tool(tool))
    if as_json:
        print_json(found)
        return
    console = open_console()
    console.print(Text.assemble((found.name, "bold"), f"  (MCP server {found.server})"))
    console.print(safe(found.description.strip()))
    console.print()
    _print_arguments(found)


@app.command("call")
def call_tool(
    tool: ToolArgument,
    arguments: ArgumentsArgument = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Call a tool by hand, by the same schema, policies and deadline as an agent's call.

    For example: open-agent tools call time__get_current_time timezone=Asia/Tokyo
    """
    given = _arguments(arguments or [])
    call = call_server(url, key, lambda client: client.invoke(tool, given))
    if as_json:
        print_json(call)
    else:
        _print_result(call)
    if call.status != "ok":
        raise typer.Exit(1)


# here, for help lists commands in the order in which they are added
app.command("diff")(diff_tools)
app.command("approve")(approve_tools)
app.command("lock")(lock_tools)
app.command("servers")(list_servers)
app.command("login")(log_in)
app.command("logout")(log_out)


def _print_arguments(tool: Tool) -> None:
    properties, required = tool.input_schema.get("properties"), tool.input_schema.get("required")
    if not isinstance(properties, dict) or not properties:
        print("It takes no arguments.")
        return
    table = build_table("ARGUMENT", "TYPE", "MEANING")
    for name, schema in properties.items():
        known = schema if isinstance(schema, dict) else {}
        needed = "" if isinstance(required, list) and name in required else " (optional)"
        table.add_row(f"{name}{needed}", _kind(known), one_line(str(known.get("description", "")), 200))
    open_console().print(table)


def _kind(schema: dict[str, JsonValue]) -> str:
    choices = schema.get("anyOf")
    if isinstance(choices, list):
        return " or ".join(_kind(choice) for choice in choices if isinstance(choice, dict))
    return str(schema.get("type", "any"))


def _print_result(call: ToolCall) -> None:
    if call.status != "ok":
        stop_with(f"{call.tool}: {call.status}: {call.result or (call.error.detail if call.error else '')}")
    result = call.result or ""
    print(safe(result) if sys.stdout.isatty() else result)


def _arguments(given: list[str]) -> dict[str, JsonValue]:
    if len(given) == 1 and given[0].lstrip().startswith("{"):
        return _parse_object(given[0])
    pairs = [pair.partition("=") for pair in given]
    if wrong := [name for name, sign, _ in pairs if not (name and sign)]:
        stop_with(f"{wrong[0]!r} is no argument: write NAME=VALUE, or one JSON object.", code=2)
    return {name: _parse_value(value) for name, _, value in pairs}


def _parse_object(text: str) -> dict[str, JsonValue]:
    try:
        value: dict[str, JsonValue] = json.loads(text)
    except ValueError as error:
        stop_with(f"The arguments are no JSON object: {error}.", code=2)
    return value


def _parse_value(text: str) -> JsonValue:
    """Returns what the text means as JSON; what is no JSON means itself."""
    try:
        value: JsonValue = json.loads(text)
    except ValueError:
        return text
    return value
