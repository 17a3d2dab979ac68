"""Short ways to talk to an engine and to wait for what it does. Every wait is bounded."""

import asyncio

from graph.events import RunEvent, run_events
from server.resources.conversations import NewConversation, NewMessage
from server.resources.pages import PageQuery
from server.resources.runs import NewRun, Run
from tests.engine.conftest import House
from tests.support.waiting import PATIENCE

OWNER = "ada"


async def ask(house: House, content: str, conversation_id: str | None = None, agent_id: str = "general") -> Run:
    """Posts a message and makes a run for it."""
    if conversation_id is None:
        conversation_id = (await house.store.conversations.create(OWNER, NewConversation())).id
    await house.store.messages.add(OWNER, conversation_id, NewMessage(content=content))
    return await house.engine.create_run(OWNER, "user", conversation_id, NewRun(agent_id=agent_id))


async def read_to_end(house: House, run_id: str, after: int = 0) -> list[RunEvent]:
    async with asyncio.timeout(PATIENCE):
        events = [event async for event in house.engine.follow(OWNER, run_id, after)]
    return [run_events.validate_json(event.json) for event in events]


async def read_until(house: House, run_id: str, kind: str) -> RunEvent:
    """Follows a run up to its first event of a kind."""
    async with asyncio.timeout(PATIENCE):
        reader = house.engine.follow(OWNER, run_id)
        try:
            async for event in reader:
                if event.type == kind:
                    return run_events.validate_json(event.json)
        finally:
            await reader.aclose()
    raise AssertionError(f"the run ended without {kind}")


async def final(house: House, run: Run) -> Run:
    """Waits for the run's end and returns it as it is then."""
    await read_to_end(house, run.id)
    return await house.store.runs.get(OWNER, run.id)


async def transcript(house: House, conversation_id: str) -> list[str]:
    page = await house.store.messages.page(OWNER, conversation_id, PageQuery(order="asc", limit=100))
    return [message.content for message in page.data]
