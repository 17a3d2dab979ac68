"""Artifacts as rows: kept once, whole, for their owner, as long as their run."""

import pytest

from config.ids import derive_id, new_id
from server.db.artifacts import MAX_BYTES
from server.db.store import Store
from server.errors import NotFound
from server.resources.artifacts import NewArtifact
from server.resources.pages import PageQuery
from tests.db.stories import OWNER, answer, begin, queue


def _new(run_id: str | None, media_type: str = "text/plain", call_id: str | None = None) -> NewArtifact:
    call_id = call_id or new_id("call")
    return NewArtifact(
        id=derive_id("art", call_id, "0"),
        owner=OWNER,
        run_id=run_id,
        call_id=call_id,
        name="sql__query.txt",
        media_type=media_type,
    )


async def test_artifact_comes_back_as_it_was_kept_for_its_owner_alone(store: Store) -> None:
    run = await begin(store)
    new, content = _new(run.run_id), bytes(range(256)) * 1000
    assert await store.artifacts.keep(new, content)
    artifact, kept = await store.artifacts.content(OWNER, new.id)
    assert (kept, artifact.size, artifact.run_id) == (content, len(content), run.run_id)
    assert await store.artifacts.get(OWNER, new.id) == artifact
    assert (await store.artifacts.page(OWNER, run.run_id, PageQuery())).data == [artifact]
    for stranger in ("bob", ""):
        with pytest.raises(NotFound):
            await store.artifacts.content(stranger, new.id)
        with pytest.raises(NotFound):
            await store.artifacts.page(stranger, run.run_id, PageQuery())
        assert await store.artifacts.find_content(stranger, run.run_id, new.id) is None
        assert not await store.artifacts.within_reach(stranger, run.run_id)


async def test_keeping_again_changes_nothing(store: Store) -> None:
    new = _new((await begin(store)).run_id)
    assert await store.artifacts.keep(new, b"first")
    assert await store.artifacts.keep(new, b"second")
    assert (await store.artifacts.content(OWNER, new.id))[1] == b"first"


async def test_conversation_reaches_its_own_artifacts_and_no_others(store: Store) -> None:
    run, elsewhere = await begin(store), await begin(store)
    new = _new(run.run_id)
    await store.artifacts.keep(new, b"big")
    await answer(store, run)
    next_run = await queue(store, run.conversation_id)
    assert await store.artifacts.within_reach(OWNER, next_run.id)
    assert await store.artifacts.find_content(OWNER, next_run.id, new.id) is not None
    assert not await store.artifacts.within_reach(OWNER, elsewhere.run_id)
    assert await store.artifacts.find_content(OWNER, elsewhere.run_id, new.id) is None
    assert await store.artifacts.find_content(OWNER, None, new.id) is not None


async def test_artifacts_go_with_their_run_and_too_big_ones_are_not_kept(store: Store) -> None:
    run = await begin(store)
    new = _new(run.run_id)
    await store.artifacts.keep(new, b"x")
    assert not await store.artifacts.keep(_new(run.run_id), bytes(MAX_BYTES + 1))
    await answer(store, run)
    await store.conversations.delete(OWNER, run.conversation_id)
    with pytest.raises(NotFound):
        await store.artifacts.get(OWNER, new.id)


async def test_pictures_of_calls_are_found_newest_last(store: Store) -> None:
    run = await begin(store)
    calls = [new_id("call") for _ in range(4)]
    for number, call_id in enumerate(calls):
        kind = "image/png" if number else "text/plain"
        await store.artifacts.keep(_new(run.run_id, kind, call_id), str(number).encode())
    found = await store.artifacts.pictures(OWNER, calls, 2)
    assert [content for _, content in found] == [b"2", b"3"]
    assert await store.artifacts.pictures("bob", calls, 2) == []
