"""A24: an approval is answered once, by its owner, with arguments that are judged again, and never when it is stale."""

import asyncio
from pathlib import Path

import pytest

from tests.http.serving import Json, ended, start_run
from tests.security.house import House, open_house
from tests.support.scripted_model import Replies, ScriptedModel, has_result, says
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


async def _suspend(house: House, text: str) -> str:
    """Has a run ask for the same, and wait for the answer."""
    await house.govern(rules=RULES)
    await house.hire("secretary", "house__*")
    house.model.when(lambda request: says(text)(request) and has_result()(request), Replies.text("done"))
    house.model.when(says(text), Replies.tool("house__send", {"to": "me@home.example", "text": text}))
    run = await start_run(house.user, text, "secretary")

    async def waits() -> bool:
        status: str = (await house.user.get(f"/v1/runs/{run['id']}")).json()["status"]
        return status == "requires_action"

    await until(waits)
    [approval] = (await house.user.get("/v1/approvals", params={"run_id": run["id"]})).json()["data"]
    return f"/v1/approvals/{approval['id']}"


async def _resolutions(house: House, path: str) -> list[tuple[str, ...]]:
    """Returns what the audit says of how it ended: whose it is, in which role, the tool, the outcome, and by whom."""
    rows = await house.audit(action="approval.resolve", limit=100)
    return [
        (row["principal"], row["role"], row["detail"]["tool"], row["outcome"], row["detail"]["by"])
        for row in rows
        if path.endswith(row["target"])
    ]


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
    assert await _resolutions(house, path) == [("uma", "user", "house__send", "edited", "uma")]


async def test_a24_edited_arguments_of_a_run_meet_schema_and_rules_again(house: House) -> None:
    path = await _suspend(house, "a24 in a run")
    for arguments in ({"to": 7}, {"to": "them@evil.example", "text": "a24 in a run"}):
        refused = await house.user.post(path, json={"decision": "edit", "arguments": arguments})
        assert refused.status_code in (403, 422), refused.text
    edited = {"to": "you@home.example", "text": "a24 edited in a run"}
    assert (await house.user.post(path, json={"decision": "edit", "arguments": edited})).status_code == 200
    run_id = (await house.user.get(path)).json()["run_id"]
    assert (await ended(house.user, run_id))["status"] == "completed"
    [step] = (await house.user.get(f"/v1/runs/{run_id}/steps")).json()["data"]
    assert [(call["status"], call["arguments"]) for call in step["tool_calls"]] == [("ok", edited)]
    assert [letter for letter in house.letters if "a24 in a run" in letter] == []
    assert sum("a24 edited in a run" in letter for letter in house.letters) == 1
    assert await _resolutions(house, path) == [("uma", "user", "house__send", "edited", "uma")]
    assert (await house.audit(tool="house__send", limit=1))[0]["outcome"] == "ok"


async def test_a24_approval_of_a_run_that_has_ended_is_stale(house: House) -> None:
    path = await _suspend(house, "a24 cancelled")
    await house.user.post(f"/v1/runs/{(await house.user.get(path)).json()['run_id']}/cancel")
    for said in ({"decision": "approve"}, {"decision": "edit", "arguments": {"to": "you@home.example"}}):
        stale = await house.user.post(path, json=said)
        assert (stale.status_code, stale.json()["code"]) == (409, "approval_cancelled")
    assert (await house.user.get(path)).json()["status"] == "cancelled"
    assert await _resolutions(house, path) == []
    assert not any("a24 cancelled" in letter for letter in house.letters)


async def test_a24_approval_that_nobody_gave_in_time_is_stale(model: ScriptedModel, tmp_path: Path) -> None:
    async with open_house(model, tmp_path, approval_seconds=0.2) as house:
        path = await _ask(house, "a24 too late")

        async def is_closed() -> bool:
            status: str = (await house.user.get(path)).json()["status"]
            return status == "expired"

        await until(is_closed)
        late = await house.user.post(path, json={"decision": "approve"})
        assert (late.status_code, late.json()["code"]) == (409, "approval_expired")
        assert await _resolutions(house, path) == [("uma", "user", "house__send", "expired", "open-agent")]
        assert house.letters == []
