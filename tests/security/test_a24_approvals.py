"""A24: an approval is answered once, by its owner, with arguments that are judged again, and never when it is stale."""

import asyncio

import pytest

from tests.http.serving import Json
from tests.security.house import House
from tests.support.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]
RULES: list[Json] = [
    {"match": "house__send", "when": [{"argument": "/to", "matches": "*@evil.example"}], "verdict": "deny"},
    {"match": "house__send", "verdict": "ask"},
    {"match": "*", "verdict": "allow"},
]


async def _ask(house: House, text: str) -> str:
    await house.govern(rules=RULES)
    asked = await house.invoke(house.user, "house__send", to="me@home.example", text=text)
    assert asked.status_code == 202, asked.text
    return f"/v1/approvals/{asked.json()['id']}"


async def test_a24_twenty_tabs_that_approve_at_once_send_one_letter(house: House) -> None:
    path = await _ask(house, "a24 tabs")
    answers = await asyncio.gather(*(house.user.post(path, json={"decision": "approve"}) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 19
    await until(lambda: any("a24 tabs" in letter for letter in house.letters))
    assert sum("a24 tabs" in letter for letter in house.letters) == 1
    rows = await house.audit(action="approval.resolve", limit=100)
    assert sum(path.endswith(row["target"]) for row in rows) == 1


async def test_a24_approval_of_another_is_not_there(house: House) -> None:
    path = await _ask(house, "a24 other")
    for client in (house.other, house.admin):
        assert (await client.get(path)).status_code == 404
        assert (await client.post(path, json={"decision": "approve"})).status_code == 404
    assert (await house.user.post(path, json={"decision": "reject"})).status_code == 200
    assert not any("a24 other" in letter for letter in house.letters)


async def test_a24_edited_arguments_meet_schema_and_rules_again(house: House) -> None:
    path = await _ask(house, "a24 edit")
    for arguments in ({"to": 7}, {"to": "them@evil.example", "text": "a24 edit"}):
        refused = await house.user.post(path, json={"decision": "edit", "arguments": arguments})
        assert refused.status_code in (403, 422), refused.text
        assert (await house.user.get(path)).json()["status"] == "pending"
    edited = {"decision": "edit", "arguments": {"to": "you@home.example", "text": "a24 edited"}}
    assert (await house.user.post(path, json=edited)).status_code == 200
    await until(lambda: any("a24 edited" in letter for letter in house.letters))
    assert not any("evil" in letter and "a24" in letter for letter in house.letters)
    assert (await house.user.post(path, json={"decision": "approve"})).status_code == 409
