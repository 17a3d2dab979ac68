"""What servers over HTTP do wrong in a call, beside a healthy one: an answer in time, in words that say what it was,
nothing secret in it, and the server is used again."""

import time

import pytest

from mcp_config.entries.server_config import ServerConfig
from tests.mcp_config.rig import chaos, hurried, open_rig
from tests.support.chaos_http import ChaosHttp, cut_stream, http, open_chaos_http
from tests.support.waiting import until

CANARY = "canary-4f1c77"
MANY = b'{"jsonrpc": "2.0", "id": 3, "result": {"structuredContent": {"values": [' + b"0," * 100_000 + b"0]}}}"


def web(port: int) -> ServerConfig:
    headers = {"Authorization": f"Bearer {CANARY}"}
    secrets = frozenset({CANARY})
    return ServerConfig(
        "web", "http", url=f"http://127.0.0.1:{port}/mcp", headers=headers, prefix="web", secrets=secrets
    )


@pytest.mark.parametrize(
    ("act", "code", "words"),
    [
        (http("500 Oops", body=CANARY.encode()), "server_lost", "the server answered 500"),
        (http("302 Found", "Location: http://localhost:9/x"), "server_lost", "redirects are not followed"),
        (http("200 OK", "Content-Type: text/html", body=CANARY.encode()), "server_lost", "content type: text/html"),
        (http("200 OK", "Content-Type: application/json", body=b"{"), "server_lost", "not answer as an MCP server"),
        (http("404 Not Found"), "server_lost", "takes no notice"),
        (cut_stream(), "timeout", "no answer within 0.5 seconds"),
        (b"", "server_lost", "the connection was ended"),
        (http("200 OK", "Content-Type: application/json", body=MANY), "result_too_large", "more than 100000 values"),
        (
            http("200 OK", "Content-Type: text/event-stream", body=b"data: " + MANY.replace(b"0,", b"0,\ndata: ")),
            "result_too_large",
            "more than 100000 values",
        ),
    ],
)
@pytest.mark.slow
async def test_a_bad_answer_is_told_and_the_server_is_used_again(act: bytes, code: str, words: str) -> None:
    policies = hurried("web__act", 0.5 if code == "timeout" else 5)
    async with (
        open_chaos_http(ChaosHttp(act)) as server,
        open_rig(web(server.port), chaos("well"), policies=policies) as rig,
    ):
        began = time.monotonic()
        result = await rig.call("web__act")
        assert time.monotonic() - began < 3
        assert (result.error_code, words in result.content) == (code, True), result.content
        assert CANARY not in result.content + rig.health("web").detail
        assert (await rig.call("well__echo", text="still here")).content == "still here"
        assert (await rig.call("web__echo")).content == "echoed"


async def test_a_call_in_a_session_that_has_run_out_is_made_once_in_a_new_one() -> None:
    async with open_chaos_http(ChaosHttp()) as server, open_rig(web(server.port)) as rig:
        assert (await rig.call("web__echo")).content == "echoed"
        server.session += 1
        assert (await rig.call("web__echo")).content == "echoed"
        methods = [method for method, _ in server.seen]
        assert methods.count("initialize") == 2
        assert methods.count("tools/call") == 3  # the second was answered 404
        assert server.calls == ["echo", "echo"]


async def test_a_call_that_a_new_session_refuses_too_is_not_made_again() -> None:
    async with open_chaos_http(ChaosHttp(http("404 Not Found"))) as server, open_rig(web(server.port)) as rig:
        assert "takes no notice" in (await rig.call("web__act")).content
        assert server.calls == ["act", "act"]


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
async def test_a_server_that_wants_a_login_is_named_with_what_to_do(status: str) -> None:
    async with (
        open_chaos_http(ChaosHttp(refusal=http(status, body=CANARY.encode()))) as server,
        open_rig(web(server.port)) as rig,
    ):
        health = await rig.until("web", "auth_required")
        assert health.detail == (
            f"needs login: the server answered {status[:3]}; put a credential into `headers` of its entry"
        )
        refused = await rig.call("web__act")
        assert (refused.error_code, "needs login" in refused.content) == ("server_unavailable", True)


async def test_a_login_that_ran_out_in_a_call_is_told_and_the_tools_are_gone() -> None:
    async with open_chaos_http(ChaosHttp(http("401 Unauthorized"))) as server, open_rig(web(server.port)) as rig:
        assert "needs login" in (await rig.call("web__act")).content
        await rig.until("web", "auth_required")
        assert rig.registry.all() == []


async def test_a_server_that_asks_to_be_left_alone_is_not_asked_before() -> None:
    async with (
        open_chaos_http(ChaosHttp(http("429 Too Many Requests", "Retry-After: 1"))) as server,
        open_rig(web(server.port)) as rig,
    ):
        result = await rig.call("web__act")
        assert "the server answered 429 and asks to be left alone for 1 seconds" in result.content
        asked, at = len(server.seen), time.monotonic()
        await until(lambda: len(server.seen) > asked)
        assert time.monotonic() - at > 0.8
        assert (await rig.call("web__echo")).content == "echoed"


async def test_a_redirect_to_another_host_carries_no_credential_there() -> None:
    async with open_chaos_http(ChaosHttp()) as other:
        away = http("307 Temporary Redirect", f"Location: http://localhost:{other.port}/mcp")
        async with open_chaos_http(ChaosHttp(away)) as server, open_rig(web(server.port)) as rig:
            assert "redirects are not followed" in (await rig.call("web__act")).content
            assert server.seen[0][1]["authorization"] == f"Bearer {CANARY}"
            assert other.seen == []
