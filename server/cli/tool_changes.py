"""`open-agent tools diff`, `approve` and `lock`: definitions that nobody has approved, and approving them."""

import asyncio
import difflib
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import JsonValue

from config.errors import ConfigError
from config.policies import ToolPolicies
from mcp_config.definitions.pins import Lock, build_pin, build_text
from mcp_config.entries.server_config import ServerConfig
from mcp_config.entries.server_variables import build_variables
from mcp_config.entries.servers_file import load_servers
from mcp_config.inventory import Deadlines
from mcp_config.registry import ToolRegistry, open_registry
from server.cli.remote import JsonOption, KeyOption, UrlOption, call_server
from server.cli.settings import settings_or_exit, stop_with
from server.cli.tables import one_line, print_json
from server.client import Client
from server.resources.tools import ToolChange

_KINDS: Final = {"new": "new, and in use", "changed": "CHANGED, and put aside until it is approved"}


def diff_tools(url: UrlOption = None, key: KeyOption = None, as_json: JsonOption = False) -> None:
    """Show the definitions of tools that nobody has approved; exit code 1 if any has changed. Needs an admin's key."""
    changes = call_server(url, key, Client.tool_changes)
    if as_json:
        print_json(changes)
    else:
        print("\n".join(line for change in changes for line in describe(change)) or "Every definition is approved.")
    if any(change.kind == "changed" for change in changes):
        raise typer.Exit(1)


def approve_tools(
    tools: Annotated[list[str] | None, typer.Argument(metavar="TOOL", help="Such as `git__git_log`.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that `diff` shows.")] = False,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Approve the definitions of tools as they are now, live. Needs an admin's key.

    What is approved is shown, and is exactly what was shown.
    """
    named = set(tools or ())
    if bool(named) == everything:
        stop_with("Name the tools to approve, or give --all.", code=2)
    changes = call_server(url, key, Client.tool_changes)
    if unknown := sorted(named - {change.tool for change in changes}):
        stop_with(f"Nothing about {', '.join(unknown)} waits to be approved; see `open-agent tools diff`.")
    for change in changes:
        if everything or change.tool in named:
            print("\n".join(describe(change)))
            call_server(url, key, _approval_of(change))
            print("  approved")


def _approval_of(change: ToolChange) -> Callable[[Client], Awaitable[ToolChange]]:
    return lambda client: client.approve_tool(change.tool, change.sha256)


def lock_tools(
    names: Annotated[list[str], typer.Argument(metavar="SERVER", help="Servers of the servers file.")],
    into: Annotated[Path, typer.Option("--into", metavar="FILE", help="The lock file to write.")],
) -> None:
    """Start these MCP servers and write their tools' definitions into a lock file, as approved. For `TOOLS_LOCK`."""
    settings = settings_or_exit()
    try:
        servers = load_servers(settings.mcp_servers, build_variables(settings))
    except ConfigError as error:
        stop_with(str(error))
    wanted = [server for server in servers if server.name in names]
    into.write_text(build_text(asyncio.run(_gather_lock(wanted, settings.server_start_timeout))))


async def _gather_lock(servers: list[ServerConfig], patience: float) -> Lock:
    async with open_registry(servers, ToolPolicies(), lambda _: None, Deadlines(start=patience)) as registry:
        await registry.ready(["*"])
        _stop_if_missing(registry)
        return build_lock(registry, servers)


def build_lock(registry: ToolRegistry, servers: list[ServerConfig]) -> Lock:
    """Returns the lock over all that a registry saw for the first time."""
    programs, lock = {server.name: server.program for server in servers}, Lock()
    for change in registry.quarantine.changes():
        pin = build_pin(change.after, approved=True)
        lock = lock.with_pin(change.server, programs[change.server], str(change.after["name"]), pin)
    return lock


def _stop_if_missing(registry: ToolRegistry) -> None:
    for name, health in registry.health().items():
        if health.state != "ready":
            stop_with(f"{name} is {health.state}: {health.detail}")


def describe(change: ToolChange) -> Iterator[str]:
    """Yields the change in lines: `-` is what was approved, `+` what the server says now. Nothing is invisible."""
    yield f"{change.tool}: {_KINDS[change.kind]}"
    yield from (f"  ! it {suspicion}" for suspicion in change.suspicions)
    if change.kind == "new":
        yield f"  {one_line(str(change.after.get('description', '')), 160)}"
        return
    if change.before is None:
        yield "  what it was before is not known"
    before = _lines(change.before or {})
    compared = [*difflib.unified_diff(before, _lines(change.after), n=1, lineterm="")]
    yield from (f"  {line}" for line in compared[2:] if not line.startswith("@@"))


def _lines(definition: dict[str, JsonValue]) -> list[str]:
    # as ASCII: what cannot be seen, or moves the cursor, shows as its number
    return json.dumps(definition, indent=2, sort_keys=True).splitlines() if definition else []
