"""The registry's rows: versions, deletion and return, on both databases."""

import pytest

from server.db.store import Store
from server.errors import Invalid, NotFound
from server.keys import Principal
from server.resources.pages import PageQuery
from tests.db.stories import OWNER
from tests.graph.conftest import agent

BY = Principal(OWNER, "admin")


async def _versions(store: Store, **query: object) -> list[int]:
    page = await store.agents.versions("clock", PageQuery.model_validate(query))
    return [each.version for each in page.data]


@pytest.mark.exhaustive
async def test_versions_go_on_over_deletion_and_return(store: Store) -> None:
    await store.agents.seed([agent("router"), agent("clock")])
    seeded = await store.agents.revision()
    await store.agents.update("clock", lambda present: present.model_copy(update={"name": "Two"}), BY)
    await store.agents.delete("clock", lambda present: None, BY)
    gone = await store.agents.revision()
    assert set(await store.agents.all()) == {"router"}
    assert set(await store.agents.last_known()) == {"router", "clock"}

    assert (await store.agents.create(agent("clock"), BY)).version == 3
    assert (await store.agents.restore("clock", 2, lambda old, present: None, BY)).name == "Two"
    assert await _versions(store) == [4, 3, 2, 1]
    assert await _versions(store, limit=2, after="3") == [2, 1]
    assert await _versions(store, limit=1, before="1", order="asc") == []
    assert [each.version for each in (await store.agents.all(seeded)).values()] == [1, 1]
    assert set(await store.agents.all(gone)) == {"router"}

    second = await store.agents.version("clock", 2)
    assert second.deleted_at is not None
    assert second.deleted_at >= second.created_at
    assert (await store.agents.created())["clock"] <= second.created_at


@pytest.mark.exhaustive
async def test_what_never_was_is_not_found(store: Store) -> None:
    await store.agents.seed([agent("router"), agent("clock")])
    with pytest.raises(NotFound):
        await store.agents.versions("nobody", PageQuery())
    with pytest.raises(NotFound):
        await store.agents.version("clock", 2)
    with pytest.raises(Invalid):
        await _versions(store, after="first")
