"""What a released version wrote is read, gone on with and removed by this one, on both databases."""

import pytest

from server.db.migrating import migrate
from server.db.store import open_store
from server.errors import NotFound
from server.resources.pages import PageQuery
from tests.db.released import CALL, CONVERSATION, ENDED, QUEUED, RELEASED, make_released, message
from tests.db.stories import OWNER, answer, claim

pytestmark = pytest.mark.slow
"""Each test makes its database version by version."""


@pytest.mark.exhaustive
@pytest.mark.parametrize("version", RELEASED)
async def test_released_database_is_brought_up_to_date_and_used(database_url: str, version: str) -> None:
    make_released(database_url, version)
    async with open_store(database_url) as store:
        assert (await store.conversations.get(OWNER, CONVERSATION)).title == "Größe"
        ended = await store.runs.get(OWNER, ENDED)
        assert (ended.status, ended.message_id, ended.usage.total_tokens) == ("completed", message(3), 10)
        (step,) = await store.runs.steps(OWNER, ENDED)
        assert [(call.id, call.status, call.result) for call in step.tool_calls] == [(CALL, "ok", "12:00")]
        assert [event.seq for event in await store.events.read(ENDED)] == [1, 2, 3, 4]
        assert (await store.agents.get("general")).system_prompt == "You talk."
        branch = await store.messages.branch(message(4), 3)
        assert [each.content for each in branch] == ["be brief", "what time is it?", "Noon.", "and now?"]

        await answer(store, await claim(store, QUEUED), "Still noon.")
        page = await store.messages.page(OWNER, CONVERSATION, PageQuery(order="asc"))
        assert [each.content for each in page.data][-1] == "Still noon."


@pytest.mark.exhaustive
@pytest.mark.parametrize("version", RELEASED)
async def test_going_back_keeps_what_the_released_version_knew(database_url: str, version: str) -> None:
    make_released(database_url, version)
    migrate(database_url)
    migrate(database_url, version)
    async with open_store(database_url) as store:
        assert (await store.runs.get(OWNER, QUEUED)).status == "queued"
        assert len(await store.events.read(ENDED)) == 4
        await store.events.cancel_idle(QUEUED)
        await store.conversations.delete(OWNER, CONVERSATION)
        assert await store.events.read(ENDED) == []
        with pytest.raises(NotFound):
            await store.tool_calls.get(OWNER, CALL)
