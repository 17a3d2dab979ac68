"""The transcript: where a message is put, which attachments are taken, what a run is given to read."""

import base64

import pytest

from server.db.attachments import check_attachments
from server.db.store import Store
from server.errors import Invalid, NotFound
from server.resources.conversations import Attachment, NewConversation, NewMessage
from server.resources.pages import PageQuery
from tests.db.stories import OWNER, answer, claim, converse, queue, say


async def _contents(store: Store, message_id: str, limit: int = 60) -> list[str]:
    return [message.content for message in await store.messages.branch(message_id, limit)]


async def test_messages_follow_one_another(store: Store) -> None:
    conversation_id = await converse(store, "one")
    second = await say(store, conversation_id, "two")
    third = await say(store, conversation_id, "three")
    assert third.parent_id == second.id
    assert await _contents(store, third.id) == ["one", "two", "three"]
    assert await _contents(store, third.id, limit=2) == ["two", "three"]


async def test_message_after_an_answer_is_its_child(store: Store) -> None:
    conversation_id = await converse(store, "one")
    run = await claim(store, (await queue(store, conversation_id)).id)
    await answer(store, run, "first answer")
    second = await say(store, conversation_id, "two")
    assert await _contents(store, second.id) == ["one", "first answer", "two"]


async def test_messages_posted_during_a_run_come_after_its_answer(store: Store) -> None:
    conversation_id = await converse(store, "one")
    first = await claim(store, (await queue(store, conversation_id)).id)
    await say(store, conversation_id, "two")
    three = await say(store, conversation_id, "three")
    waiting = await queue(store, conversation_id)
    await answer(store, first, "first answer")
    second = await claim(store, waiting.id)
    assert second.input_id == three.id
    assert await _contents(store, three.id) == ["one", "first answer", "two", "three"]


@pytest.mark.exhaustive
async def test_each_queued_message_comes_after_the_answer_before_it(store: Store) -> None:
    conversation_id = await converse(store, "one")
    runs = [await queue(store, conversation_id)]
    for content in ("two", "three"):
        await say(store, conversation_id, content)
        runs.append(await queue(store, conversation_id))
    for number, run in enumerate(runs, start=1):
        await answer(store, await claim(store, run.id), f"answer {number}")
    last = await say(store, conversation_id, "four")
    expected = ["one", "answer 1", "two", "answer 2", "three", "answer 3", "four"]
    assert await _contents(store, last.id) == expected


@pytest.mark.exhaustive
async def test_named_parent_makes_a_branch_and_is_kept(store: Store) -> None:
    conversation_id = await converse(store, "one")
    run = await claim(store, (await queue(store, conversation_id)).id)
    one = await store.messages.branch(run.input_id, 1)
    edited = await say(store, conversation_id, "one, better", parent_id=one[0].id)
    again = await queue(store, conversation_id)
    await answer(store, run, "first answer")
    assert (await claim(store, again.id)).input_id == edited.id
    assert await _contents(store, edited.id) == ["one", "one, better"]


async def test_parent_from_another_conversation_is_refused(store: Store) -> None:
    stranger = await say(store, await converse(store), "elsewhere")
    with pytest.raises(Invalid) as refusal:
        await say(store, await converse(store), "here", parent_id=stranger.id)
    assert (refusal.value.code, refusal.value.pointer) == ("unknown_parent", "/parent_id")


@pytest.mark.exhaustive
async def test_window_of_a_long_conversation_is_its_newest_sixty_messages(store: Store) -> None:
    conversation = await store.conversations.create(OWNER, NewConversation())
    last = [await say(store, conversation.id, str(number)) for number in range(100)][-1]
    assert await _contents(store, last.id) == [str(number) for number in range(40, 100)]


@pytest.mark.exhaustive
async def test_system_messages_hold_however_long_ago_they_were_said(store: Store) -> None:
    conversation = await store.conversations.create(OWNER, NewConversation())
    for rule in ("be brief", "be kind"):
        await store.messages.add(OWNER, conversation.id, NewMessage(role="system", content=rule))
    await say(store, conversation.id, "one")
    run = await claim(store, (await queue(store, conversation.id)).id)
    await say(store, conversation.id, "two")
    await store.messages.add(OWNER, conversation.id, NewMessage(role="system", content="in French"))
    three = await say(store, conversation.id, "three")
    await answer(store, run, "an answer")
    await claim(store, (await queue(store, conversation.id)).id)
    everything = ["be brief", "be kind", "one", "an answer", "two", "in French", "three"]
    assert await _contents(store, three.id) == everything
    assert await _contents(store, three.id, limit=3) == [*everything[:2], *everything[4:]]
    assert await _contents(store, three.id, limit=1) == ["in French", "three"]


async def test_branch_is_listed_page_by_page_along_its_path(store: Store) -> None:
    conversation_id = await converse(store, "one")
    run = await claim(store, (await queue(store, conversation_id)).id)
    late = await say(store, conversation_id, "two")  # its id is older than that of the answer it comes after
    waiting = await queue(store, conversation_id)
    await answer(store, run, "first answer")
    await claim(store, waiting.id)
    aside = await say(store, conversation_id, "aside", parent_id=run.input_id)
    path = ["one", "first answer", "two"]

    async def page(end: str, **query: object) -> tuple[list[str], bool, str | None]:
        found = await store.messages.branch_page(OWNER, conversation_id, end, PageQuery.model_validate(query))
        return [message.content for message in found.data], found.has_more, found.last_id

    assert (await page(late.id, order="asc"))[0] == path
    assert (await page(late.id))[0] == path[::-1]
    assert (await page(aside.id, order="asc"))[0] == ["one", "aside"]
    first, more, cursor = await page(late.id, order="asc", limit=2)
    assert (first, more) == (path[:2], True)
    assert (await page(late.id, order="asc", limit=2, after=cursor))[:2] == (path[2:], False)
    assert (await page(late.id, order="asc", limit=2, before=late.id))[:2] == (path[:2], False)
    with pytest.raises(Invalid):
        await page(late.id, after=aside.id)
    with pytest.raises(NotFound):
        await store.messages.branch_page("eve", conversation_id, late.id, PageQuery())
    with pytest.raises(NotFound):
        await store.messages.branch_page(OWNER, await converse(store), late.id, PageQuery())


def _attachment(**changes: object) -> Attachment:
    data = base64.b64encode(b"name,price\n").decode()
    plain = {"type": "file", "name": "prices.csv", "media_type": "text/csv", "data": data}
    return Attachment.model_validate({**plain, **changes})


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "attachment",
    [
        _attachment(),
        _attachment(media_type="application/json; charset=utf-8"),
        _attachment(media_type="application/octet-stream", name="app.log"),
        _attachment(type="image", media_type="image/png", name="chart.png", data="iVBORw0KGgo="),
        _attachment(type="image", media_type="image/png", data=None, url="https://example.org/chart.png"),
    ],
)
async def test_readable_attachment_is_kept_with_its_message(store: Store, attachment: Attachment) -> None:
    conversation_id = await converse(store)
    new = NewMessage(content="look", attachments=[attachment])
    await store.messages.add(OWNER, conversation_id, new)
    page = await store.messages.page(OWNER, conversation_id, PageQuery(limit=1))
    assert page.data[0].attachments == [attachment]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"media_type": "application/zip"}, "application/zip are not taken"),
        ({"media_type": "application/zip"}, "taken are images (PNG, JPEG, GIF, WebP) and UTF-8 text"),
        ({"data": base64.b64encode(b"%PDF-1.7 all ASCII").decode()}, "are not taken"),
        ({"media_type": "", "data": base64.b64encode(b"\x7fELF\x02\xff").decode()}, "not UTF-8"),
        ({"data": base64.b64encode(b"x" * (8 * 1024 * 1024 + 1)).decode()}, "larger than the 8 MiB"),
        ({"type": "image", "media_type": "image/png"}, "its bytes are no image/png"),
        ({"type": "image", "media_type": "image/svg+xml"}, "images are taken as"),
        ({"data": "%%%"}, "not base64"),
        ({"data": base64.b64encode(b"\xff\xfe\xfa").decode()}, "not UTF-8"),
        ({"data": base64.b64encode(b"a\x00b").decode()}, "NUL"),
        ({"data": None}, "either `data` (base64) or `url`"),
        ({"data": None, "url": "https://example.org/a.csv"}, "not fetched"),
        ({"type": "image"}, "images are taken as"),
        ({"type": "image", "media_type": "image/png", "data": None, "url": "file:///etc/passwd"}, "https://"),
    ],
)
async def test_attachment_nobody_can_read_is_refused_with_the_reason(
    store: Store, changes: dict[str, object], said: str
) -> None:
    conversation_id = await converse(store)
    new = NewMessage(content="look", attachments=[_attachment(), _attachment(**changes)])
    with pytest.raises(Invalid, match=r"prices\.csv") as refusal:
        await store.messages.add(OWNER, conversation_id, new)
    assert said in str(refusal.value)
    assert (refusal.value.code, refusal.value.pointer) == ("unsupported_attachment", "/attachments/1")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a.png",
        "https://localhost/a.png",
        "https://127.0.0.1/a.png",
        "https://[::1]/a.png",
        "https://10.0.0.8/a.png",
        "https://169.254.169.254/latest/meta-data",
        "https://2130706433/a.png",
        "https://0x7f.1/a.png",
        "https://127.1/a.png",
        "https://intranet/a.png",
        "https://metadata.google.internal/a.png",
        "https://user:password@example.org/a.png",
        "https://[/a.png",
        "ftp://example.org/a.png",
    ],
)
def test_address_of_an_image_that_is_not_public_is_refused(url: str) -> None:
    image = _attachment(type="image", media_type="image/png", data=None, url=url)
    with pytest.raises(Invalid) as refusal:
        check_attachments([image])
    assert refusal.value.code == "unsupported_attachment"
