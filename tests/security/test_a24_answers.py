"""A24: an answer counts by what holds when it comes, and only of who may answer, by whatever way."""

from pathlib import Path

import jwt
import pytest

from tests.gateway.peer import code, open_peer
from tests.http.serving import USER_KEY, Json
from tests.security.house import House, open_house
from tests.support.issuer import AUDIENCE, NAME, build_claims
from tests.support.scripted_model import Replies, ScriptedModel, says

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]
SECRET = "a secret of more than thirty-two bytes"
YES: Json = {"action": "accept", "content": {"decision": "approve"}}
RULES: list[Json] = [{"match": "house__send", "verdict": "ask"}, {"match": "*", "verdict": "allow"}]


async def test_a24_what_is_forbidden_by_the_time_of_the_yes_is_not_done(house: House) -> None:
    await house.govern(rules=RULES)

    async def forbid() -> None:
        await house.govern(rules=[{"match": "house__send", "verdict": "deny"}])

    async with open_peer(house.served, USER_KEY, answer=YES, first=forbid) as peer:
        assert code(await peer.call("house__send", to="me", text="a24 too late")) == "denied_by_policy"
    assert not any("a24 too late" in letter for letter in house.letters)


async def test_a24_token_without_the_scope_answers_in_no_way(model: ScriptedModel, tmp_path: Path) -> None:
    terms = {"auth_mode": "jwt", "jwt_secret": SECRET, "jwt_issuer": NAME, "jwt_audience": AUDIENCE}
    async with open_house(model, tmp_path, **terms, jwt_scopes_claim="scope") as house:
        token = jwt.encode(build_claims(scope="runs:write tools:invoke"), SECRET, "HS256")
        await house.govern(rules=RULES)
        await house.hire("postman", "house__*")
        async with open_peer(house.served, token, answer=YES) as peer:
            assert code(await peer.call("house__send", to="me", text="by itself")) == "approval_required"
            assert peer.asked == []
        model.when(says("post it"), Replies.tool("house__send", {"to": "me", "text": "by chat"}))
        asked: list[Json] = [{"role": "user", "content": "post it"}]
        async with house.served.client(token) as till:
            said = await till.post("/v1/chat/completions", json={"model": "postman", "messages": asked})
            shown = said.raise_for_status().json()["choices"][0]["message"]
            asked += [shown, {"role": "user", "content": "approve"}]
            refused = await till.post("/v1/chat/completions", json={"model": "postman", "messages": asked})
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "insufficient_scope")
            waiting = (await till.get("/v1/approvals", params={"status": "pending"})).json()["data"]
            assert len(waiting) == 2
            assert (await till.post("/v1/no%0Asuch")).status_code == 404


async def test_a24_call_of_an_admin_is_no_way_to_an_admins_rights(house: House) -> None:
    admins_only = {"match": "house__send", "roles": ["admin"], "verdict": "ask"}
    await house.govern(rules=[admins_only])
    asked = await house.invoke(house.admin, "house__send", to="me", text="by the admin")
    path = f"/v1/approvals/{asked.json()['id']}"
    lesser = {"name": "ann", "role": "user"}
    made = (await house.admin.post("/v1/tokens", json=lesser)).raise_for_status().json()
    service = (await house.admin.post("/v1/tokens", json={"name": "s", "role": "service"})).raise_for_status().json()
    edit: Json = {"decision": "edit", "arguments": {"to": "me", "text": "by no admin"}}
    async with house.served.client(made["token"]) as ann, house.served.client(service["token"]) as acting:
        acting.headers["X-Act-As"] = "ann"
        for client in (ann, acting):
            for said in (edit, {"decision": "approve"}):
                refused = await client.post(path, json=said)
                assert (refused.status_code, refused.json()["code"]) == (403, "denied_by_policy")
        assert (await ann.post(path, json={"decision": "reject"})).status_code == 200
    assert not any("admin" in letter for letter in house.letters)
