"""The parts that only the product itself can try: models, MCP servers, the database. Takes seconds to import."""

from collections.abc import AsyncIterator

from config.settings import Settings
from server.cli.checks.database import check_database
from server.cli.checks.files import Files
from server.cli.checks.finding import Finding
from server.cli.checks.models import check_models
from server.cli.checks.servers import Governed, check_servers
from server.cli.checks.stored import compare_policies, load_stored


async def check_product(settings: Settings, files: Files) -> AsyncIterator[Finding]:
    """Yields findings as they are made. What a mistaken file keeps from being tried is left out."""
    yield await check_database(settings)
    if files.agents is not None:
        async for finding in check_models(settings, files.agents):
            yield finding
    if files.policies is None:
        return
    stored = await load_stored(settings)
    for finding in compare_policies(settings, stored, files.policies):
        yield finding
    if files.servers is not None:
        in_force = stored.policies.policies if stored.policies else files.policies
        agents = stored.agents or {agent.id for agent in (files.agents.agents if files.agents else ())}
        async for finding in check_servers(settings, files.servers, Governed(in_force, agents)):
            yield finding
