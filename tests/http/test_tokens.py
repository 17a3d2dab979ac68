"""API keys that admins make: shown once, kept as hashes, over when they say so or are revoked."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.http.serving import Json, Served
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def make(admin: httpx.AsyncClient, name: str = "tess", **more: str) -> Json:
    answer = await admin.post("/v1/tokens", json={"name": name, **more})
    made: Json = answer.raise_for_status().json()
    return made


async def status_of(served: Served, key: str, path: str = "/v1/conversations") -> int:
    async with served.client(key) as client:
        return (await client.get(path)).status_code


async def test_a_made_key_works_as_its_name_and_role_and_is_shown_once(
    served: Served, admin: httpx.AsyncClient
) -> None:
    answer = await admin.post("/v1/tokens", json={"name": "tess"})
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    made = answer.json()
    secret = made.pop("token")
    assert secret.startswith(made["prefix"])
    async with served.client(secret) as tess:
        conversation = (await tess.post("/v1/conversations")).json()["id"]
        assert (await tess.get("/v1/tokens")).json()["code"] == "admin_only"
    assert (await admin.get(f"/v1/conversations/{conversation}")).status_code == 404
    listed = await admin.get("/v1/tokens")
    assert secret not in listed.text
    assert made["id"] in [token["id"] for token in listed.json()["data"]]
    assert files_with(served.settings.data_dir, secret) == []


def files_with(folder: Path, secret: str) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and secret.encode() in file.read_bytes()]


async def test_keys_of_one_name_own_the_same_things(served: Served, admin: httpx.AsyncClient) -> None:
    first, second = [(await make(admin, "twin"))["token"] for _ in range(2)]
    async with served.client(first) as old, served.client(second) as new:
        conversation = (await old.post("/v1/conversations")).json()["id"]
        assert (await new.get(f"/v1/conversations/{conversation}")).status_code == 200


async def test_a_revoked_key_stops_at_once_and_stays_listed(served: Served, admin: httpx.AsyncClient) -> None:
    made = await make(admin)
    assert await status_of(served, made["token"]) == 200
    for _ in range(2):
        assert (await admin.delete(f"/v1/tokens/{made['id']}")).status_code == 204
        assert await status_of(served, made["token"]) == 401
    [kept] = [token for token in (await admin.get("/v1/tokens")).json()["data"] if token["id"] == made["id"]]
    assert kept["revoked_at"] is not None
    audit = (await admin.get("/v1/audit", params={"action": "token.revoke"})).json()["data"]
    assert [(entry["principal"], entry["target"]) for entry in audit if entry["target"] == made["id"]] == [
        ("ann", made["id"])
    ]


async def test_an_expired_key_is_over(served: Served, admin: httpx.AsyncClient) -> None:
    made = await make(admin, expires_at=(datetime.now(UTC) + timedelta(seconds=1)).isoformat())

    async def over() -> bool:
        return await status_of(served, made["token"]) == 401

    await until(over)


async def test_its_last_use_is_written_down(served: Served, admin: httpx.AsyncClient) -> None:
    made = await make(admin)

    async def last_used() -> bool:
        [token] = [token for token in (await admin.get("/v1/tokens")).json()["data"] if token["id"] == made["id"]]
        return token["last_used_at"] is not None

    assert not await last_used()
    await status_of(served, made["token"])
    await until(last_used)


async def test_a_key_with_the_right_beginning_is_a_wrong_key(served: Served, admin: httpx.AsyncClient) -> None:
    made = await make(admin)
    for guess in (made["prefix"], made["token"][:-1], made["token"] + "x", made["prefix"] + "_" + "x" * 43):
        assert await status_of(served, guess) == 401


async def test_a_retried_request_makes_no_second_key(admin: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "make-a-key"}
    made = await admin.post("/v1/tokens", json={"name": "once"}, headers=headers)
    again = await admin.post("/v1/tokens", json={"name": "once"}, headers=headers)
    assert (made.status_code, again.status_code, again.json()["code"]) == (201, 409, "token_shown_once")
    assert made.json()["id"] in again.json()["detail"]


@pytest.mark.parametrize("name", ["", " x", "open-agent", "command-line", "a\nb", "a\u202eb", "x" * 201])
async def test_names_that_could_be_mistaken_are_refused(admin: httpx.AsyncClient, name: str) -> None:
    assert (await admin.post("/v1/tokens", json={"name": name})).status_code == 422


@pytest.mark.parametrize(("method", "path"), [("POST", ""), ("GET", ""), ("DELETE", "/key_" + "0" * 36)])
async def test_only_admins_make_list_and_revoke(user: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await user.request(method, f"/v1/tokens{path}", json={"name": "x"} if method == "POST" else None)
    assert (answer.status_code, answer.json()["code"]) == (403, "admin_only")
