"""`open-agent agents versions`, `rollback`, `delete`: what agents were, and going back to it."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Final

import typer

from server.cli.agent_differences import compare
from server.cli.remote import JsonOption, KeyOption, UrlOption, call_server
from server.cli.tables import build_table, open_console, print_json, shown_moment
from server.client import Client
from server.resources.agents import Agent, AgentVersion

AgentArgument = Annotated[str, typer.Argument(metavar="AGENT", help="Its id, such as `sql-agent`.")]
VersionArgument = Annotated[int, typer.Argument(metavar="VERSION", min=1, help="As `agents versions` lists them.")]
_MOST: Final = 100


def list_versions(
    agent: AgentArgument, url: UrlOption = None, key: KeyOption = None, as_json: JsonOption = False
) -> None:
    """List what an agent was, the newest first, also one that is deleted: what each change changed."""
    page = call_server(url, key, lambda client: client.agent_versions(agent, limit=_MOST))
    if as_json:
        print_json(page.data)
        return
    table = build_table("VERSION", "SINCE", "WHAT CHANGED")
    for row in _rows(page.data, whole=not page.has_more):
        table.add_row(*row)
    open_console().print(table)


def roll_back(agent: AgentArgument, version: VersionArgument, url: UrlOption = None, key: KeyOption = None) -> None:
    """Make an agent what it was at a version, from the next run on; a deleted one is there again."""
    now = call_server(url, key, lambda client: client.roll_back_agent(agent, version))
    print(f"{now.id} is again what it was at version {version}; that is now version {now.version}.")


def delete_agent(agent: AgentArgument, url: UrlOption = None, key: KeyOption = None) -> None:
    """Take an agent out: no new run has it, and those that began with it end with it. Its versions stay."""

    async def delete(client: Client) -> Agent:
        present = await client.get_agent(agent)
        await client.delete_agent(agent)
        return present

    gone = call_server(url, key, delete)
    print(f"{gone.id} is deleted. To have it back: open-agent agents rollback {gone.id} {gone.version}")


def _rows(versions: Sequence[AgentVersion], *, whole: bool) -> Iterator[tuple[str, str, str]]:
    for place, each in enumerate(versions):
        if each.deleted_at is not None:
            yield "", shown_moment(each.deleted_at), "deleted"
        before = versions[place + 1] if place + 1 < len(versions) else None
        if before is not None:
            changed = [name for difference in compare([each.agent], [before.agent]) for name in difference.keys]
            yield str(each.version), shown_moment(each.created_at), ", ".join(changed) or "nothing"
        else:
            yield str(each.version), shown_moment(each.created_at), "made" if whole else "…"
