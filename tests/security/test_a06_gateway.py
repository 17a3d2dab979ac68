"""A06 at the gateway: what MCP clients ask for over HTTP has an `Idempotency-Key` as well, if they give one."""

from typing import Final

import pytest

from tests.http.serving import Json
from tests.security.house import House

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]
GREETING: Final[Json] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
ACCEPT: Final = {"Accept": "application/json, text/event-stream"}


async def test_a_key_makes_no_call_twice_and_hides_none(house: House) -> None:
    await house.govern(rules=[{"match": "*", "verdict": "allow"}])
    greeted = await house.user.post("/mcp", json=GREETING, headers={**ACCEPT, "Idempotency-Key": "a06-greeting"})
    session = {**ACCEPT, "Mcp-Session-Id": greeted.headers["mcp-session-id"]}

    def call(text: str) -> Json:
        arguments = {"to": "me", "text": text}
        return {
            "jsonrpc": "2.0",
            "id": 7,
            "method": "tools/call",
            "params": {"name": "house__send", "arguments": arguments},
        }

    for _ in range(2):
        await house.user.post("/mcp", json=call("a06 each"), headers=session)
    keyed = {**session, "Idempotency-Key": "a06-call"}
    first, again = [await house.user.post("/mcp", json=call("a06 keyed"), headers=keyed) for _ in range(2)]
    assert '"text":"sent"' in first.text
    assert (again.headers["Idempotent-Replayed"], again.json()["id"]) == ("true", 7)
    assert again.json()["result"] == {"content": [{"type": "text", "text": "sent"}], "isError": False}
    assert (await house.user.post("/mcp", json=call("a06 other"), headers=keyed)).status_code == 422
    sent = [letter for letter in house.letters if "a06" in letter]
    assert [sum(words in letter for letter in sent) for words in ("each", "keyed", "other")] == [2, 1, 0]


async def test_a_key_asks_a_person_once(house: House) -> None:
    await house.govern(rules=[{"match": "*", "verdict": "ask"}])
    greeted = await house.user.post("/mcp", json=GREETING, headers=ACCEPT)
    headers = {**ACCEPT, "Mcp-Session-Id": greeted.headers["mcp-session-id"], "Idempotency-Key": "a06-ask"}
    params = {"name": "house__send", "arguments": {"to": "a06 asked"}}
    call = {"jsonrpc": "2.0", "id": 8, "method": "tools/call", "params": params}
    answers = [await house.user.post("/mcp", json=call, headers=headers) for _ in range(2)]
    waiting = (await house.user.get("/v1/approvals", params={"status": "pending"})).json()["data"]
    [approval] = [each["id"] for each in waiting if each["arguments"] == {"to": "a06 asked"}]
    assert all(approval in answer.text for answer in answers)
    assert (await house.user.post(f"/v1/approvals/{approval}", json={"decision": "reject"})).status_code == 200
