"""`open-agent agents`: who answers, with what model and which tools."""

from typing import Annotated

import typer
from rich.text import Text

from server.cli.remote import JsonOption, KeyOption, UrlOption, call_server
from server.cli.tables import build_table, one_line, open_console, print_json, safe
from server.client import Client
from server.resources import Agent

app = typer.Typer(help="The agents that answer.", no_args_is_help=True, add_completion=False)
AgentArgument = Annotated[str, typer.Argument(metavar="AGENT", help="Its id, such as `sql-agent`.")]


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
