"""`open-agent agents`: who answers, with what model and which tools."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from config.agents import AgentsFile, load_agents
from config.agents_text import write_agents
from config.errors import ConfigError
from server.cli.agent_differences import Difference, compare
from server.cli.agent_versions import AgentArgument, delete_agent, list_versions, roll_back
from server.cli.remote import JsonOption, KeyOption, UrlOption, call_server
from server.cli.settings import settings_or_exit, stop_with
from server.cli.tables import build_table, one_line, open_console, print_json, safe
from server.client import Client
from server.resources.agents import Agent

app = typer.Typer(
    help="The agents that answer: what they are and were, and keeping them in a file.",
    no_args_is_help=True,
    add_completion=False,
)
FileArgument = Annotated[
    Path | None,
    typer.Argument(metavar="FILE", help="An agents.yaml.", exists=True, dir_okay=False, show_default="AGENTS_FILE"),
]


@app.command("list")
def list_agents(url: UrlOption = None, key: KeyOption = None, as_json: JsonOption = False) -> None:
    """List the agents of the running server."""
    agents = call_server(url, key, Client.agents)
    if as_json:
        print_json(agents)
        return
    table = build_table("AGENT", "MODEL", "WHAT IT IS GOOD AT")
    for agent in agents:
        name = agent.id if agent.enabled else f"{agent.id} (off)"
        table.add_row(name, _models(agent), one_line(agent.description), style="" if agent.enabled else "dim")
    open_console().print(table)


@app.command("show")
def show_agent(agent: AgentArgument, url: UrlOption = None, key: KeyOption = None, as_json: JsonOption = False) -> None:
    """Show one agent: its model, its tools, its prompt."""
    found = call_server(url, key, lambda client: client.get_agent(agent))
    if as_json:
        print_json(found)
        return
    console = open_console()
    for name, value in _facts(found).items():
        console.print(Text.assemble((f"{name:<12}", "bold"), value), soft_wrap=False)
    console.print()
    console.print(safe(found.system_prompt.strip()))


app.command("versions")(list_versions)
app.command("rollback")(roll_back)
app.command("delete")(delete_agent)


@app.command("export")
def export_agents(url: UrlOption = None, key: KeyOption = None) -> None:
    """Print the agents of the running server as YAML: what is kept in git, and loads again."""
    agents = call_server(url, key, Client.agents)
    print(write_agents(agents, _load(None).models), end="")


@app.command("diff")
def diff_agents(file: FileArgument = None, url: UrlOption = None, key: KeyOption = None) -> None:
    """Compare a file with the running server; the exit code is 1 where they differ."""
    differences = _differences(file, url, key)
    _show(differences)
    if differences:
        raise typer.Exit(1)


@app.command("apply")
def apply_agents(
    file: FileArgument = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Delete agents that the file does not have.")] = False,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Bring the running server to what a file says: agents are made and changed, and with --prune deleted."""
    differences = [each for each in _differences(file, url, key) if prune or each.wanted]
    _show(differences)
    if not dry_run:
        call_server(url, key, lambda client: _apply(client, differences))


async def _apply(client: Client, differences: Sequence[Difference]) -> None:
    for difference in differences:
        wanted, present = difference.wanted, difference.present
        if present is None and wanted is not None:
            await client.create_agent(wanted)
        elif wanted is None:
            await client.delete_agent(difference.agent_id)
        elif present is not None:  # only if it still is what was shown
            content = wanted.model_dump(mode="json", exclude={"id", "role", "version"})
            await client.update_agent(wanted.id, **content, version=present.version)


def _differences(file: Path | None, url: str | None, key: str | None) -> list[Difference]:
    wanted = _load(file).agents
    return compare(wanted, call_server(url, key, Client.agents))


def _load(file: Path | None) -> AgentsFile:
    try:
        return load_agents(file or settings_or_exit().agents_file)
    except ConfigError as error:
        stop_with(str(error), code=2)


def _show(differences: Sequence[Difference]) -> None:
    lines = [line for difference in differences for line in difference.lines()]
    print("\n".join(safe(line) for line in lines) or "Nothing differs.")


def _models(agent: Agent) -> str:
    return ", ".join(agent.selectors)


def _facts(agent: Agent) -> dict[str, str]:
    limits = agent.policies.limits.model_dump(exclude_none=True)
    facts = {
        "id": agent.id,
        "name": agent.name,
        "description": agent.description,
        "model": _models(agent),
        "tools": ", ".join(agent.allowed_tools) or "none",
        "limits": ", ".join(f"{value} {name}" for name, value in limits.items()),
        "redacts": ", ".join(agent.policies.redact),
        "enabled": "yes" if agent.enabled else "no",
        "version": str(agent.version),
    }
    return {name: value for name, value in facts.items() if value}
