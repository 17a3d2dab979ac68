"""decide() as a table: who asks for what, and which rule has the last word."""

import pytest

from config.agents import AgentSpec
from config.policies import Condition, Rule, ToolPolicies, ToolSettings, Verdict
from mcp_config.calls.decision import Decision, build_settings, decide
from mcp_config.tools import Caller, JsonObject
from tests.mcp_config.rig import agent

POLICIES = ToolPolicies(
    rules=[
        Rule(match="git__*", agents=["dev-*"], verdict="allow"),
        Rule(match="git__commit", verdict="ask", reason="a person looks at commits"),
        Rule(match="git__push", verdict="deny", reason="never"),
        Rule(match="*", agents=["-"], roles=["admin"], verdict="allow"),
        Rule(match="mail__send", agents=["*"], verdict="allow"),
        Rule(
            match="mail__send", when=[Condition(argument="/to/0", matches="*@evil.test")], verdict="deny", reason="evil"
        ),
        Rule(match="mail__send", when=[Condition(argument="/body", max_length=3)], verdict="ask", reason="short"),
        Rule(match="mail__send", when=[Condition(argument="/urgent", equals=True)], verdict="deny", reason="hurry"),
        Rule(match="mail__send", when=[Condition(argument="/kind", one_of=["a", 1])], verdict="deny", reason="kind"),
    ]
)
DEV = agent("dev-agent")
ROOT = Caller("root", None, None, "admin")
ALICE = Caller("alice", None, None, "user")


def by_agent(spec: AgentSpec, role: str = "user") -> tuple[Caller, AgentSpec]:
    return Caller("alice", spec.id, None, "admin" if role == "admin" else "user"), spec


@pytest.mark.parametrize(
    ("who", "tool", "arguments", "expected"),
    [
        (by_agent(DEV), "git__log", {}, Decision("allow", "rules[0] (git__*)", "")),
        (by_agent(DEV), "git__commit", {}, Decision("ask", "rules[1] (git__commit)", "a person looks at commits")),
        (by_agent(DEV), "git__push", {}, Decision("deny", "rules[2] (git__push)", "never")),
        (by_agent(agent("other")), "git__log", {}, Decision("deny", "default", "no rule allows it")),
        (by_agent(agent("other"), "admin"), "git__log", {}, Decision("deny", "default", "no rule allows it")),
        (
            by_agent(agent("dev-agent", tools=["git__status"])),
            "git__log",
            {},
            Decision("deny", "agent dev-agent", "it is not among the tools of this agent"),
        ),
        (
            by_agent(agent("dev-agent", ask=["git__l*"])),
            "git__log",
            {},
            Decision("ask", "agent dev-agent", "this agent's policy asks for a person's approval"),
        ),
        ((ROOT, None), "git__log", {}, Decision("allow", "rules[3] (*)", "")),
        ((ROOT, None), "git__push", {}, Decision("deny", "rules[2] (git__push)", "never")),
        ((ALICE, None), "git__log", {}, Decision("deny", "default", "no rule allows it")),
        (by_agent(DEV), "mail__send", {"to": ["a@b.test"]}, Decision("allow", "rules[4] (mail__send)", "")),
        (by_agent(DEV), "mail__send", {"to": ["a@evil.test"]}, Decision("deny", "rules[5] (mail__send)", "evil")),
        (by_agent(DEV), "mail__send", {"to": []}, Decision("allow", "rules[4] (mail__send)", "")),
        (by_agent(DEV), "mail__send", {"to": "x", "body": "hi"}, Decision("ask", "rules[6] (mail__send)", "short")),
        (by_agent(DEV), "mail__send", {"body": "long"}, Decision("allow", "rules[4] (mail__send)", "")),
        (by_agent(DEV), "mail__send", {"urgent": True}, Decision("deny", "rules[7] (mail__send)", "hurry")),
        (by_agent(DEV), "mail__send", {"urgent": 1}, Decision("allow", "rules[4] (mail__send)", "")),
        (by_agent(DEV), "mail__send", {"kind": True}, Decision("allow", "rules[4] (mail__send)", "")),
        (by_agent(DEV), "mail__send", {"kind": 1}, Decision("deny", "rules[8] (mail__send)", "kind")),
        (by_agent(DEV), "mail__send", {"kind": "A"}, Decision("deny", "rules[8] (mail__send)", "kind")),
        (by_agent(DEV), "mail__send", {"kind": {"is": ["b", 1]}}, Decision("deny", "rules[8] (mail__send)", "kind")),
        (by_agent(DEV), "mail__send", {"to": ["a@EVIL.test"]}, Decision("deny", "rules[5] (mail__send)", "evil")),
        (by_agent(DEV), "mail__send", {"to": ["a@\uff45vil.test"]}, Decision("deny", "rules[5] (mail__send)", "evil")),
        (
            by_agent(DEV),
            "mail__send",
            {"to": [["x", "a@evil.test"]]},
            Decision("deny", "rules[5] (mail__send)", "evil"),
        ),
    ],
)
def test_each_call_gets_its_verdict_and_the_rule_that_said_so(
    who: tuple[Caller, AgentSpec | None], tool: str, arguments: JsonObject, expected: Decision
) -> None:
    caller, spec = who
    assert decide(caller, tool, arguments, POLICIES, spec) == expected


def test_the_most_specific_entry_decides_each_setting() -> None:
    policies = ToolPolicies(
        tools={
            "git__log": ToolSettings(timeout=1),
            "*": ToolSettings(timeout=9, max_result=100),
            "git__*": ToolSettings(timeout=5, idempotent=True),
        }
    )
    assert build_settings(policies, "git__log") == ToolSettings(timeout=1, max_result=100, idempotent=True)
    assert build_settings(policies, "time__now") == ToolSettings(timeout=9, max_result=100)


@pytest.mark.parametrize(
    ("condition", "arguments"),
    [
        (Condition(argument="/to", matches="*@home.test"), {"to": "a@HOME.test"}),
        (Condition(argument="/to", matches="*@home.test"), {"to": ["a@home.test"]}),
        (Condition(argument="/count", matches="1*"), {"count": 12}),
        (Condition(argument="/count", max_length=3), {"count": 10**9}),
        (Condition(argument="/flags", equals=[1]), {"flags": [True]}),
        (Condition(argument="/mode", equals="safe"), {}),
    ],
)
def test_what_allows_is_read_to_the_letter(condition: Condition, arguments: JsonObject) -> None:
    policies = ToolPolicies(rules=[Rule(match="*", when=[condition], verdict="allow")])
    assert decide(ALICE, "x__y", arguments, policies, None, defaults={"mode": "safe"}).verdict == "deny"


@pytest.mark.parametrize("verdict", ["ask", "deny"])
@pytest.mark.parametrize("arguments", [{}, {"mode": "Danger"}, {"mode": ["safe", "danger"]}])
def test_what_denies_or_asks_holds_for_a_default_that_nobody_names(verdict: Verdict, arguments: JsonObject) -> None:
    danger = Condition(argument="/mode", one_of=["danger"])
    rules = [Rule(match="*", verdict="allow"), Rule(match="*", when=[danger], verdict=verdict)]
    policies = ToolPolicies(rules=rules)
    assert decide(ALICE, "x__y", arguments, policies, None, defaults={"mode": "danger"}).verdict == verdict
    assert decide(ALICE, "x__y", {"mode": "safe"}, policies, None, defaults={"mode": "danger"}).verdict == "allow"
