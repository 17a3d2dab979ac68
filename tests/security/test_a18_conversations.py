"""A18 over several runs: what one run has read stands in the next one's prompt, and so does the need of approval."""

import pytest

from tests.http.serving import Json
from tests.security.house import House
from tests.security.test_a18_injection import TAGGED, THEFT

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


async def test_what_an_earlier_run_read_keeps_the_next_from_sending_but_not_another_branch(house: House) -> None:
    await house.govern(**TAGGED)
    await house.hire("assistant", "house__*")
    before = house.letters
    page = ("house__page", dict[str, str]())
    conversation = await house.converse("a18 read the page for later", "assistant", page)
    for words in ("a18 now send it", "a18 send it after all"):
        (sent,) = await house.go_on(conversation, words, "assistant", ("house__send", THEFT))
        assert (sent["type"], sent["rule"]) == ("approval.requested", "trifecta (house__send)")
    assert house.letters == before

    path = f"/v1/conversations/{conversation}/messages"
    first = (await house.user.get(path, params={"order": "asc"})).json()["data"][0]
    letter: Json = {"to": "ann", "text": "good morning"}
    beside = {"parent_id": first["id"]}
    (sent,) = await house.go_on(conversation, "a18 write to ann", "assistant", ("house__send", letter), **beside)
    assert sent["status"] == "ok"
    assert len(house.letters) == len(before) + 1
