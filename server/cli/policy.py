"""`open-agent policy`: the rules for tool calls, looked at, set, and asked about a call that is not made."""

import asyncio
import difflib
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
import yaml
from pydantic import JsonValue

from config.agents import AgentSpec, load_agents
from config.api_keys import Role
from config.errors import ConfigError
from config.policies import ToolPolicies, load_policies
from config.settings import Settings
from mcp_config.calls.decision import decide, find_passed_over
from mcp_config.calls.idle_rules import Known, find_idle_names
from mcp_config.tools import Caller
from server.cli.remote import JsonOption, KeyOption, UrlOption, call_server, explained, find_server
from server.cli.settings import settings_or_exit, stop_with
from server.cli.tables import build_table, open_console, print_json, safe
from server.client import Client, ClientError, open_client
from server.resources.policies import PolicySet
from server.resources.tools import Check, PassedOverRule

app = typer.Typer(
    help="The rules for tool calls: what they are, and what they say of a call.",
    no_args_is_help=True,
    add_completion=False,
)
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="Policies, as in config/tool_policies.yaml.")]


@app.command("explain")
def explain(  # noqa: PLR0913, PLR0917 - each is an option of the command
    tool: Annotated[str, typer.Option("--tool", metavar="TOOL", help="The tool, such as `sql__query`.")],
    agent: Annotated[
        str | None, typer.Option("--agent", metavar="AGENT", help="Who calls; without it, a person.")
    ] = None,
    args: Annotated[str, typer.Option("--args", metavar="JSON", help="The arguments, as one JSON object.")] = "{}",
    user: Annotated[str | None, typer.Option("--user", help="On whose behalf, if not yours.")] = None,
    role: Annotated[Role | None, typer.Option("--role", help="That user's role, if not yours.")] = None,
    read: Annotated[list[str] | None, typer.Option("--read", help="A tool whose result was read before.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask the files of this checkout, not a server.")] = False,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what would become of a tool call, and which rule says so. Nothing is done.

    For example: open-agent policy explain --agent sql-agent --tool sql__query --args '{"sql": "SELECT 1"}'
    """
    arguments = _parse_object(args)
    question: dict[str, JsonValue] = {"arguments": arguments, "agent": agent, "user": user, "role": role}
    question["read"] = [*(read or [])]
    answer = None if offline else _ask_server(url, key, tool, question)
    if answer is None:
        settings = settings_or_exit()
        caller = Caller(user or "you", agent, role=role or "admin")
        answer = _ask_files(settings, caller, tool, arguments, frozenset(read or ()))
    if as_json:
        print_json(answer)
    else:
        _print_check(answer)


@app.command("show")
def show(url: UrlOption = None, key: KeyOption = None, as_json: JsonOption = False) -> None:
    """Show the policies in force, as YAML that `set` takes. Needs an admin's key."""
    present = call_server(url, key, Client.policies)
    if as_json:
        print_json(present)
        return
    print(f"# {_origin(present)}")
    print(_as_yaml(present.policies), end="")


@app.command("set")
def set_policies(file: FileArgument, url: UrlOption = None, key: KeyOption = None) -> None:
    """Put the policies of a file in force, at once and for good. Needs an admin's key.

    With config/tool_policies.yaml this goes back to what that file says.
    """
    wanted = _load(file)

    async def replace(client: Client) -> tuple[PolicySet, list[str]]:
        present = await client.set_policies(wanted, (await client.policies()).version)
        return present, find_idle_names(wanted, await _known(client))

    present, idle = call_server(url, key, replace)
    print(f"In force now: {_origin(present)}.")
    for line in idle:
        typer.echo(f"But {line}.", err=True)


@app.command("diff")
def diff(file: FileArgument, url: UrlOption = None, key: KeyOption = None) -> None:
    """Show what `set FILE` would change; exit code 1 if anything."""
    wanted = _as_yaml(_load(file)).splitlines(keepends=True)
    present = call_server(url, key, Client.policies)
    lines = [*difflib.unified_diff(_as_yaml(present.policies).splitlines(keepends=True), wanted, "in force", str(file))]
    print("".join(lines), end="")
    if lines:
        raise typer.Exit(1)


def _ask_server(url: str | None, key: str | None, tool: str, question: dict[str, JsonValue]) -> Check | None:
    """Returns the running server's answer; None when there is none running."""
    address, key = find_server(url, key)

    async def ask() -> Check:
        async with open_client(address, key) as client:
            return await client.check(tool, question)

    try:
        return asyncio.run(ask())
    except ClientError as error:
        if error.code != "unreachable" or url:
            stop_with(explained(error))
        print(f"No server answers at {address}: this is what the files say.", file=sys.stderr)
        return None


def _ask_files(
    settings: Settings, caller: Caller, tool: str, arguments: dict[str, JsonValue], read: frozenset[str]
) -> Check:
    """Asks the very function that guards calls; what only a running server knows (schemas, rates) is left open."""
    policies = _load(settings.tool_policies_file)
    agent = _find_agent(settings, caller.agent) if caller.agent else None
    decision = decide(caller, tool, arguments, policies, agent, read)
    return Check(
        tool=tool,
        agent=caller.agent,
        user=caller.owner,
        role=caller.role,
        verdict=decision.verdict,
        rule=decision.rule,
        reason=decision.reason,
        passed_over=[PassedOverRule(**asdict(each)) for each in find_passed_over(caller, tool, arguments, policies)],
        arguments_error=None,
        rates=[],
    )


async def _known(client: Client) -> Known:
    """What is degraded may have put tools aside, and what is down has shown none."""
    agents = frozenset(agent.id for agent in await client.agents())
    tools = frozenset(tool.name for tool in await client.tools())
    open_ended = frozenset(f"{server.name}__" for server in await client.mcp_servers() if server.state != "ready")
    return Known(agents, tools, open_ended)


def _find_agent(settings: Settings, agent_id: str) -> AgentSpec | None:
    try:
        return next((each for each in load_agents(settings.agents_file).agents if each.id == agent_id), None)
    except ConfigError as error:
        stop_with(str(error), code=2)


def _load(file: Path) -> ToolPolicies:
    try:
        return load_policies(file.absolute())
    except ConfigError as error:
        stop_with(str(error), code=2)


def _parse_object(text: str) -> dict[str, JsonValue]:
    try:
        value = json.loads(text)
    except ValueError as error:
        stop_with(f"--args is no JSON: {error}.", code=2)
    if not isinstance(value, dict):
        stop_with('--args is no JSON object: write it as in \'{"sql": "SELECT 1"}\'.', code=2)
    return value


def _print_check(check: Check) -> None:
    table = build_table("", "")
    table.add_row("verdict", check.verdict)
    table.add_row("rule", safe(check.rule))
    for name, value in (("reason", check.reason), ("arguments", check.arguments_error)):
        if value:
            table.add_row(name, safe(value))
    for over in check.passed_over:
        table.add_row("passed over", safe(f"{over.rule}, {over.verdict}: kept away by its {over.unmet}"))
    for rate in check.rates:
        table.add_row(f"rate ({rate.scope})", f"{rate.remaining} of {rate.limit} calls left in {rate.window} seconds")
    table.show_header = False
    open_console().print(table)


def _origin(policies: PolicySet) -> str:
    if policies.source == "file":
        return "the policies of the server's file"
    when = f"{policies.created_at:%Y-%m-%d %H:%M}" if policies.created_at else "?"
    return f"version {policies.version}, set by {policies.changed_by} on {when} UTC"


def _as_yaml(policies: ToolPolicies) -> str:
    plain = policies.model_dump(mode="json", exclude_defaults=True)
    if "tools" in plain:  # their order means nothing, and would look like a change
        plain["tools"] = dict(sorted(plain["tools"].items()))
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
