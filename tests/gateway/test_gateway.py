"""The gateway: one governed path for MCP clients, and all that a server offers, forwarded both ways."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from mcp import McpError, types
from pydantic import AnyUrl

from config.secret_patterns import HIDDEN
from tests.gateway.conftest import CANARY
from tests.gateway.peer import Peer, code, open_peer, words
from tests.http.serving import ADMIN_KEY, OTHER_KEY, USER_KEY, Served
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")
GREETING = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
ACCEPT = {"Accept": "application/json, text/event-stream"}


async def test_all_tools_are_offered_by_prefixed_names_and_one_servers_by_its_own(served: Served) -> None:
    async with open_peer(served, USER_KEY) as all_servers, open_peer(served, USER_KEY, "/mcp/plain") as one:
        names = await all_servers.names()
        assert {"plain__echo", "complete__test_simple_text", "memory__recall"} <= set(names)
        assert names == sorted(names)
        assert await one.names() == ["act", "count", "echo"]
        assert words(await all_servers.call("plain__echo", text="hello")) == "hello"
        assert words(await one.call("echo", text="hello")) == "hello"


async def test_a_tool_is_shown_as_its_server_shows_it_but_for_what_nobody_should_see(served: Served) -> None:
    async with open_peer(served, USER_KEY) as peer:
        [shown] = [tool for tool in (await peer.session.list_tools()).tools if tool.name == "complete__measure"]
        assert shown.model_dump(by_alias=True, exclude_none=True, mode="json") == {
            "name": "complete__measure",
            "title": "Measure it",
            "description": "The tool measure.",
            "inputSchema": {
                "type": "object",
                "properties": {"measured": {"type": "object", "description": "What comes back."}},
                "required": ["measured"],
            },
            "outputSchema": {
                "type": "object",
                "properties": {"degrees": {"type": "number", "description": "How warm"}, "note": {"type": "string"}},
                "required": ["degrees"],
            },
            "annotations": {
                "title": "Measuring",
                "readOnlyHint": True,
                "idempotentHint": True,
                "openWorldHint": False,
            },
            "icons": [{"src": "https://example.com/a.png", "mimeType": "image/png", "sizes": ["48x48"]}],
            "_meta": {"example.com/unit": "celsius", "example.com/token": HIDDEN},
        }
        # the official client holds results to the schema
        given = {"degrees": 21.5, "note": f"by {CANARY}"}
        measured = await peer.call("complete__measure", measured=given)
        assert (measured.isError, measured.structuredContent) == (False, {"degrees": 21.5, "note": f"by {HIDDEN}"})
        broken = await peer.call("complete__measure", measured={"degrees": "warm"})
        assert (broken.isError, code(broken), broken.structuredContent) == (True, "result_not_as_promised", None)
        assert words(broken) == '{"degrees": "warm"}'


async def test_calls_are_denied_checked_and_written_down_like_all_others(served: Served) -> None:
    async with open_peer(served, USER_KEY) as peer, served.client(ADMIN_KEY) as admin:
        denied = await peer.call("plain__act", text="x")
        assert (denied.isError, code(denied)) == (True, "denied_by_policy")
        assert "not for anybody" in words(denied)
        wrong = await peer.call("plain__echo", text=7)
        assert (wrong.isError, code(wrong)) == (True, "invalid_arguments")
        assert code(await peer.call("plain__nothing")) == "unknown_tool"
        entry = (await admin.get("/v1/audit", params={"tool": "plain__act", "limit": 1})).json()["data"][0]
        assert (entry["principal"], entry["role"], entry["outcome"]) == ("uma", "user", "denied")


async def test_a_call_that_needs_approval_waits_and_says_how_to_allow_it(served: Served) -> None:
    async with open_peer(served, USER_KEY) as peer, served.client(USER_KEY) as user:
        waiting = await peer.call("plain__count")
        assert (waiting.isError, code(waiting)) == (True, "approval_required")
        approval = (waiting.meta or {})["open-agent/approval_id"]
        assert f"POST /v1/approvals/{approval}" in words(waiting)
        assert (await user.post(f"/v1/approvals/{approval}", json={"decision": "approve"})).status_code == 200

        async def made() -> bool:
            call = (await user.get(f"/v1/approvals/{approval}")).json()["tool_call"]
            return call is not None and call["status"] == "ok"

        await until(made)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"action": "accept", "content": {"decision": "approve"}}, None),
        ({"action": "accept", "content": {"decision": "reject"}}, "rejected"),
        ({"action": "decline"}, "rejected"),
        ({"action": "cancel"}, "approval_required"),
    ],
)
async def test_a_client_that_can_ask_its_user_is_asked_at_once(
    served: Served, answer: dict[str, Any], outcome: str | None
) -> None:
    async with open_peer(served, USER_KEY, answer=answer) as peer:
        result = await peer.call("plain__count")
        assert (result.isError, code(result)) == (outcome is not None, outcome)
        assert "plain__count" in peer.asked[0]


async def test_no_key_and_no_session_of_anothers_get_in(served: Served) -> None:
    async with served.client(None) as nobody, served.client(USER_KEY) as user, served.client(OTHER_KEY) as other:
        refused = await nobody.post("/mcp", json=GREETING, headers=ACCEPT)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Bearer realm="open-agent"')
        session = (await user.post("/mcp", json=GREETING, headers=ACCEPT)).headers["mcp-session-id"]
        ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
        with_it = {**ACCEPT, "Mcp-Session-Id": session}
        assert (await user.post("/mcp", json=ping, headers=with_it)).status_code == 200
        assert (await other.post("/mcp", json=ping, headers=with_it)).status_code == 404
        assert (await user.post("/mcp/plain", json=ping, headers=with_it)).status_code == 404
        assert (await user.delete("/mcp", headers=with_it)).status_code == 200


async def test_other_hosts_pages_and_bodies_are_refused(served: Served) -> None:
    async with served.client(USER_KEY) as user:

        async def status(**headers: str) -> int:
            return (await user.post("/mcp", json=GREETING, headers={**ACCEPT, **headers})).status_code

        assert await status(Host="evil.example") == 421
        assert await status(Origin="http://evil.example") == 403
        assert await status(Origin="http://localhost:3000") == 200
        with_a_slash = await user.post("/mcp/", json=GREETING, headers=ACCEPT)
        assert with_a_slash.status_code == 200

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(200):
                yield b" " * 100_000

        large = await user.post("/mcp", content=endless(), headers={**ACCEPT, "Content-Type": "application/json"})
        assert (large.status_code, large.json()["code"]) == (413, "body_too_large")
        assert (await user.post("/mcp/nobody", json=GREETING, headers=ACCEPT)).json()["code"] == "unknown_server"


async def test_pictures_and_sounds_come_as_they_are(served: Served) -> None:
    async with open_peer(served, USER_KEY) as peer:
        blocks = (await peer.call("complete__test_multiple_content_types")).content
        assert [block.type for block in blocks] == ["text", "image", "resource"]


@pytest.mark.slow
async def test_progress_and_logs_reach_the_client_that_called(served: Served) -> None:
    async with open_peer(served, USER_KEY) as peer, open_peer(served, OTHER_KEY) as silent:
        await silent.names()
        await peer.call("complete__test_tool_with_progress")
        assert peer.progress == [0, 50, 100]
        await peer.call("complete__test_tool_with_logging")
        assert peer.logs[0] == "Tool execution started"
        await peer.session.set_logging_level("error")
        peer.logs.clear()
        await peer.call("complete__test_tool_with_logging")
        assert (peer.logs, silent.logs) == ([], [])


async def test_a_cancelled_call_is_cancelled_at_its_server(served: Served) -> None:
    async with open_peer(served, USER_KEY) as peer, open_peer(served, OTHER_KEY) as looking:
        # the SDK's client sends no cancellation of its own
        number = peer.session._request_id
        call = asyncio.create_task(peer.call("complete__hold", key="one"))
        await until(_held(looking, "one:waiting"))
        params = types.CancelledNotificationParams(requestId=number)
        await peer.session.send_notification(types.ClientNotification(types.CancelledNotification(params=params)))
        with pytest.raises(McpError):
            await call
        await until(_held(looking, "one:cancelled"))


def _held(peer: Peer, trace: str) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return trace in words(await peer.call("complete__held"))

    return look


@pytest.mark.slow
async def test_servers_ask_the_client_of_the_call_and_no_other(served: Served) -> None:
    answer = {"action": "accept", "content": {"username": "u", "email": "e"}, "text": "as a model says"}
    async with (
        open_peer(served, USER_KEY, "/mcp/complete", answer=answer) as peer,
        open_peer(served, USER_KEY, answer=answer) as everywhere,
        open_peer(served, OTHER_KEY, "/mcp/complete") as mute,
    ):
        assert '"username": "u"' in words(await peer.call("test_elicitation", message="who?"))
        assert words(await peer.call("test_sampling", prompt="say")) == "LLM response: as a model says"
        assert "not supported" in words(await everywhere.call("complete__test_sampling", prompt="say"))
        # whose client cannot be asked is asked over the API instead: tests/http/test_questions.py
        holding = asyncio.create_task(mute.call("hold", key="two"))
        await until(_held(everywhere, "two:waiting"))
        assert '"action": "decline"' in words(await peer.call("test_elicitation", message="who?"))
        holding.cancel()


async def test_resources_and_prompts_are_listed_and_read_under_the_rules(served: Served) -> None:
    async with open_peer(served, USER_KEY) as peer:
        listed = (await peer.session.list_resources()).resources
        assert [str(each.uri) for each in listed][:1] == ["test://static-text"]
        read = await peer.session.read_resource(AnyUrl("test://template/7/data"))
        assert "Data for ID: 7" in str(read.contents[0])
        with pytest.raises(McpError, match="denies it"):
            await peer.session.read_resource(AnyUrl("test://watched-resource"))
        with pytest.raises(McpError, match="no resource"):
            await peer.session.read_resource(AnyUrl("other://x"))
        names = [prompt.name for prompt in (await peer.session.list_prompts()).prompts]
        assert names[-1] == "complete__test_prompt_with_image"
        said = await peer.session.get_prompt("complete__test_prompt_with_arguments", {"arg1": "a", "arg2": "b"})
        assert "arg1='a'" in str(said.messages[0])
        reference = types.PromptReference(type="ref/prompt", name="complete__test_prompt_with_arguments")
        completed = await peer.session.complete(reference, {"name": "arg1", "value": "par"})
        assert completed.completion.values == ["paris", "park"]


@pytest.mark.slow
async def test_changes_are_told_to_whom_they_concern(served: Served) -> None:
    async with open_peer(served, USER_KEY) as peer, open_peer(served, OTHER_KEY) as other:
        await peer.session.subscribe_resource(AnyUrl("test://watched-resource"))
        before = await other.names()
        await peer.call("complete__touch", uri="test://watched-resource")
        await until(lambda: "notifications/resources/updated" in peer.notices)
        await peer.call("complete__grow")
        await until(lambda: "notifications/tools/list_changed" in other.notices)
        assert "notifications/resources/updated" not in other.notices
        # who wants no more to hear of it, or never did, takes it from nobody else
        async with open_peer(served, OTHER_KEY, "/mcp/complete") as aside:
            await aside.session.unsubscribe_resource(AnyUrl("test://watched-resource"))
            await aside.session.subscribe_resource(AnyUrl("test://watched-resource"))
            await aside.session.unsubscribe_resource(AnyUrl("test://watched-resource"))
        await peer.call("complete__touch", uri="test://watched-resource")
        await until(lambda: peer.notices.count("notifications/resources/updated") == 2)
        assert set(await other.names()) - set(before) == {"complete__grown_0"}


async def test_the_gateway_says_of_itself_what_its_servers_can(served: Served) -> None:
    async with open_peer(served, USER_KEY, "/mcp/plain") as plain, open_peer(served, USER_KEY, "/mcp/complete") as full:
        assert (plain.abilities.resources, plain.abilities.prompts, plain.abilities.logging) == (None, None, None)
        assert full.abilities.resources
        assert full.abilities.resources.subscribe
        assert full.abilities.completions is not None


async def test_no_server_sees_a_callers_own_key(served: Served) -> None:
    async with open_peer(served, USER_KEY) as peer:
        assert USER_KEY not in words(await peer.call("complete__record"))


async def test_a_servers_secret_is_in_nothing_that_it_sends_to_a_client(served: Served) -> None:
    answer = {"action": "accept", "content": {"username": "u", "email": "e"}, "text": "said"}
    async with open_peer(served, USER_KEY, "/mcp/complete", answer=answer) as peer:
        result = await peer.call("record")
        assert HIDDEN in words(result)
        await peer.call("test_elicitation", message=f"is it {CANARY}?")
        with pytest.raises(McpError) as error:
            await peer.session.read_resource(AnyUrl(f"other://{CANARY}"))
        assert CANARY not in f"{result.model_dump_json()} {peer.asked} {error.value}"
        async with open_peer(served, USER_KEY) as everywhere:
            for session in (peer.session, everywhere.session):
                resources, prompts = (await session.list_resources()).resources, (await session.list_prompts()).prompts
                said = [(each.name, each.description) for each in resources]
                said += [(each.name, each.description) for each in prompts]
                assert [words for name, words in said if "signed" in name] == [f"By {HIDDEN}"] * 2
