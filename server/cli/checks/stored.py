"""What the database holds in place of files: policies and agents, once they were set or changed over the API."""

import asyncio
from collections.abc import Iterator, Set
from dataclasses import dataclass

from config.checkout import shown_path
from config.policies import ToolPolicies
from config.settings import Settings
from server.cli.checks.finding import Finding, note
from server.db.agents import Agents
from server.db.database import open_database
from server.db.migrating import find_version
from server.db.policies import PolicyVersions
from server.errors import ApiError
from server.resources.policies import PolicySet


@dataclass(frozen=True)
class Stored:
    policies: PolicySet | None = None
    """None while the file's rule."""
    agents: Set[str] = frozenset()


async def load_stored(settings: Settings) -> Stored:
    """Returns nothing of a database that is not there or not of this version; `check_database` tells of that."""
    try:
        if await asyncio.to_thread(find_version, settings.database_url) != "current":
            return Stored()
        async with open_database(settings.database_url) as database:
            return Stored(await PolicyVersions(database).find_newest(), set(await Agents(database).all()))
    except ApiError:
        return Stored()


def compare_policies(settings: Settings, stored: Stored, file: ToolPolicies) -> Iterator[Finding]:
    present = stored.policies
    if present is not None and present.policies != file:
        shown = shown_path(settings.tool_policies_file)
        rules = f"{len(present.policies.rules)} rules that {present.changed_by} set (version {present.version})"
        yield note("policies", f"{rules} are in force, not {shown}; `open-agent policy set {shown}` puts that in force")
