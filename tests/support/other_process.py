"""Another process on the same database: `python -m tests.support.other_process URL AGENT POLICIES`.

It takes all tools from the agent and sets the policies, through the store and not over the server's API.
"""

import asyncio
import sys

from config.policies import ToolPolicies
from server.db.store import open_store
from server.keys import PRODUCT


async def change(url: str, agent_id: str, policies: str) -> None:
    async with open_store(url) as store:
        await store.agents.update(agent_id, lambda agent: agent.model_copy(update={"allowed_tools": []}), PRODUCT)
        await store.policies.add(ToolPolicies.model_validate_json(policies), PRODUCT, None)


if __name__ == "__main__":
    asyncio.run(change(*sys.argv[1:]))
