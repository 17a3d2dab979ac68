"""A06. One `Idempotency-Key`, sent twenty times at once, with another body, and by another user."""

import asyncio
from collections import Counter

import pytest

from tests.http.serving import converse, ended
from tests.security.house import House
from tests.support.scripted_model import Replies, says

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


async def test_twenty_at_once_make_one_run(house: House) -> None:
    house.model.when(says("just once"), Replies.text("Once."))
    conversation = await converse(house.user, "just once")
    path, key = f"/v1/conversations/{conversation}/runs", {"Idempotency-Key": "a06-parallel"}
    body = {"agent_id": "general"}
    answers = await asyncio.gather(*(house.user.post(path, json=body, headers=key) for _ in range(20)))
    counted = Counter(answer.status_code for answer in answers)
    assert set(counted) <= {201, 409}, counted
    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    first = [each for each in answers if each.status_code == 201 and "Idempotent-Replayed" not in each.headers]
    assert (len(made), len(first)) == (1, 1)
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {"idempotency_in_progress"}
    runs = (await house.user.get(path)).json()["data"]
    assert [run["id"] for run in runs] == list(made)
    await ended(house.user, runs[0]["id"])


async def test_another_body_is_refused_and_another_user_is_independent(house: House) -> None:
    key = {"Idempotency-Key": "a06-shared"}
    first = await house.user.post("/v1/conversations", json={"title": "one"}, headers=key)
    again = await house.user.post("/v1/conversations", json={"title": "one"}, headers=key)
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (first.json(), "true")
    changed = await house.user.post("/v1/conversations", json={"title": "two"}, headers=key)
    assert (changed.status_code, changed.json()["code"]) == (422, "idempotency_key_reused")
    theirs = await house.other.post("/v1/conversations", json={"title": "one"}, headers=key)
    assert theirs.status_code == 201
    assert theirs.json()["id"] != first.json()["id"]
    assert (await house.other.get(f"/v1/conversations/{first.json()['id']}")).status_code == 404
