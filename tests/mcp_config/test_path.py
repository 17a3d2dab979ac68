"""The governed path: what it refuses never reaches the server, what it lets through is written down."""

import asyncio
from dataclasses import replace

import pytest
from pydantic import JsonValue

from config.policies import Condition, Rule, ToolPolicies, ToolSettings
from mcp_config.tools import Caller, ToolCall, ToolResult
from tests.mcp_config.rig import ALLOW_ALL, Rig, agent, chaos, open_rig
from tests.support.waiting import until

ADMIN = Caller("root", None, None, "admin")


async def assert_never_reached(rig: Rig) -> None:
    """The first `count` is 1 and sees itself alone: no other call reached the server."""
    result = await rig.by(ADMIN).call("well__count")
    assert isinstance(result.structured, dict)
    assert [str(entry).partition(" ")[0] for entry in result.structured["calls"] or []] == ["count"]  # type: ignore[union-attr]


async def test_tool_off_the_agents_list_is_denied_and_never_reached() -> None:
    async with open_rig(chaos("well"), agents=[agent(tools=["well__count"])]) as rig:
        result = await rig.call("well__echo", text="x")
        assert (result.status, result.error_code) == ("denied", "not_allowed")
        assert not rig.ledger.entries
        await assert_never_reached(rig)


@pytest.mark.parametrize("name", ["stranger", "sleeper"])
async def test_agent_that_is_unknown_or_disabled_may_call_nothing(name: str) -> None:
    sleeper = agent("sleeper").model_copy(update={"enabled": False})
    async with open_rig(chaos("well"), agents=[sleeper]) as rig:
        assert (await rig.by(Caller("alice", name)).call("well__count")).error_code == "not_allowed"


async def test_tool_that_no_rule_allows_is_denied() -> None:
    async with open_rig(chaos("well"), policies=ToolPolicies()) as rig:
        result = await rig.call("well__count")
        assert (result.status, result.error_code) == ("denied", "denied_by_policy")
        assert "no rule allows it" in result.content


async def test_what_needs_approval_is_refused_and_never_reached() -> None:
    asks = ToolPolicies(rules=[*ALLOW_ALL.rules, Rule(match="well__echo", verdict="ask")])
    async with open_rig(chaos("well"), policies=asks) as rig:
        result = await rig.call("well__echo", text="x")
        assert (result.status, result.error_code) == ("denied", "approval_required")
        await assert_never_reached(rig)


async def test_rule_may_look_at_arguments() -> None:
    when = [Condition(argument="/text", matches="*secret*")]
    rules = [*ALLOW_ALL.rules, Rule(match="*", when=when, verdict="deny", reason="no secrets")]
    async with open_rig(chaos("well"), policies=ToolPolicies(rules=rules)) as rig:
        assert (await rig.call("well__echo", text="plain")).status == "ok"
        assert "no secrets (rules[1] (*))" in (await rig.call("well__echo", text="a secret!")).content


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"text": 5}, "at /text: 5 is not of type 'string'"),
        ({}, "at the top level: 'text' is a required property"),
        ({"text": ["x"]}, "at /text: ['x'] is not of type 'string'"),
    ],
)
async def test_arguments_that_do_not_fit_never_reach_the_server(arguments: dict[str, JsonValue], words: str) -> None:
    async with open_rig(chaos("well")) as rig:
        result = await rig.call("well__echo", **arguments)
        assert (result.status, result.error_code) == ("error", "invalid_arguments")
        assert words in result.content
        assert not rig.ledger.entries
        await assert_never_reached(rig)


async def test_unknown_tool_is_an_error() -> None:
    async with open_rig(chaos("well")) as rig:
        assert (await rig.call("well__nothing")).error_code == "unknown_tool"
        assert (await rig.call("nowhere__echo")).error_code == "unknown_tool"


async def test_ledger_has_start_and_end_of_each_call_that_acts() -> None:
    async with open_rig(chaos("well")) as rig:
        await rig.call("well__echo", text="x")
        assert rig.ledger.entries == ["started well__echo", "ok well__echo"]


async def test_nothing_acts_before_the_ledger_says_it_is_written() -> None:
    class Stuck:
        async def started(self, call: ToolCall) -> None:
            raise ConnectionError("the log cannot be written")

        async def ended(self, call: ToolCall, result: ToolResult) -> None: ...

    async with open_rig(chaos("well")) as rig:
        with pytest.raises(ConnectionError):
            await rig.registry.call(ToolCall("call_1", "well__echo", {"text": "x"}, rig.caller), Stuck())
        await assert_never_reached(rig)


async def test_cancelling_is_written_down_and_raised_again() -> None:
    async with open_rig(chaos("sick", "silent")) as rig:
        call = asyncio.ensure_future(rig.call("sick__act"))
        await until(lambda: bool(rig.ledger.entries))
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert rig.ledger.entries == ["started sick__act", "cancelled sick__act"]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("is-error", ToolResult("error", "no such zone", "tool_error")),
        ("rpc-error", ToolResult("error", "odd__act failed: it broke inside (code -32603)", "tool_error")),
        ("bad-result", ToolResult("error", "The server's answer is no tool result.", "bad_result")),
        ("empty", ToolResult("ok", "(no output)")),
        (
            "mixed",
            ToolResult(
                "ok",
                "words\n"
                "[image: image/png, 5 bytes; not shown here]\n"
                "[audio: audio/wav, 5 bytes; not shown here]\n"
                "[resource file:///a.txt (text/plain)]\ninside\n"
                "[resource file:///a.bin (unknown type), 5 bytes; not shown here]\n"
                "[link: b file:///b.txt (text/plain, 7 bytes)]\n"
                "[content of the kind 'hologram', which is not known here]\n"
                "[content that cannot be read]",
            ),
        ),
    ],
)
async def test_odd_results_become_something_a_model_can_use(mode: str, expected: ToolResult) -> None:
    async with open_rig(chaos("odd", mode)) as rig:
        assert await rig.call("odd__act") == expected


async def test_big_result_is_cut_to_head_and_tail() -> None:
    async with open_rig(chaos("big", "big")) as rig:
        result = await rig.call("big__act")
        assert result.content.startswith("Ab")
        assert result.content.endswith("bZ")
        assert "1737858 of 2000002 bytes are left out here" in result.content
        assert len(result.content) < 256 * 1024 + 200


async def test_policy_sets_deadline_size_and_repeatability() -> None:
    tools = {"*": ToolSettings(timeout=5, idempotent=True), "sick__act": ToolSettings(timeout=0.2, return_direct=True)}
    tools["sick__echo"] = ToolSettings(after="sick__count")
    policies = replace_tools(ALLOW_ALL, tools)
    async with open_rig(chaos("sick", "silent"), policies=policies) as rig:
        assert "no answer within 0.2 seconds" in (await rig.call("sick__act")).content
        act, echo = rig.registry.get("sick__act"), rig.registry.get("sick__echo")
        assert (act.return_direct, act.repeatable, echo.return_direct) == (True, True, False)
        assert (act.after, echo.after) == (None, "sick__count")


async def test_repeatable_is_what_hint_or_configuration_says_and_policy_has_the_last_word() -> None:
    server = replace(chaos("well"), repeatable=("count",))
    never = replace_tools(ALLOW_ALL, {"well__echo": ToolSettings(idempotent=False)})
    async with open_rig(server) as rig:
        assert {s.original_name: s.repeatable for s in rig.registry.all()} == {
            "act": False,
            "count": True,
            "echo": True,
        }
    async with open_rig(server, policies=never) as rig:
        assert not rig.registry.get("well__echo").repeatable


async def test_allow_and_deny_of_a_server_decide_what_is_offered() -> None:
    async with open_rig(replace(chaos("well"), allow=("e*", "count"), deny=("count",)), chaos("other")) as rig:
        assert [s.name for s in rig.registry.specs(["well__*"])] == ["well__echo"]
        assert (await rig.call("well__count")).error_code == "unknown_tool"


async def test_of_two_tools_with_one_name_the_first_server_wins() -> None:
    first, second = replace(chaos("one"), prefix=""), replace(chaos("two"), prefix="")
    async with open_rig(first, second) as rig:
        assert {spec.server for spec in rig.registry.all()} == {"one"}
        assert rig.registry.get("echo").server == "one"


async def test_tool_that_asks_for_a_sandbox_is_not_offered_without_one(caplog: pytest.LogCaptureFixture) -> None:
    policies = replace_tools(ALLOW_ALL, {"well__act": ToolSettings(sandbox="auto")})
    async with open_rig(chaos("well"), policies=policies) as rig:
        assert [spec.original_name for spec in rig.registry.all()] == ["count", "echo"]
        assert (await rig.call("well__act")).error_code == "unknown_tool"
    assert "well__act is not offered: its policy asks for the sandbox `auto`" in caplog.text


def replace_tools(policies: ToolPolicies, tools: dict[str, ToolSettings]) -> ToolPolicies:
    return policies.model_copy(update={"tools": tools})
