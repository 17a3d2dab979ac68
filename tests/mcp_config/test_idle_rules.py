"""Names in policies that fit nothing there is are found; what may yet come is let be."""

from config.policies import ToolPolicies
from mcp_config.calls.idle_rules import Known, find_idle_names

KNOWN = Known(
    agents=frozenset({"sql-agent", "general"}),
    tools=frozenset({"sql__query", "time__convert_time"}),
    open=frozenset({"github__", "memory__"}),
)


def idle(**policies: object) -> list[str]:
    return find_idle_names(ToolPolicies.model_validate(policies), KNOWN)


def test_misspelled_tools_and_agents_are_named_with_their_place_and_what_was_meant() -> None:
    denial = {"match": "slq__query", "agents": ["sql-agnet", "-", "gen*"], "verdict": "deny"}
    later = {"sql__query": {"after": "sql__shema"}}
    assert idle(rules=[denial], tools=later, rates={"agents": {"poet": "1/day"}}) == [
        "rules[0].match names slq__query, and no tool is called so; did you mean sql__query?",
        'tools["sql__query"].after names sql__shema, and no tool is called so; did you mean sql__query?',
        "rules[0].agents names sql-agnet, and no agent is called so; did you mean sql-agent?",
        "rates.agents names poet, and no agent is called so; known are general, sql-agent",
    ]


def test_what_a_server_that_is_down_may_have_what_is_no_tool_and_sets_are_let_be() -> None:
    globs = ["*", "sql__*", "g*", "github__get_*", "memory__recall", "sql__resources/read", "[a-c]__x"]
    assert idle(rules=[{"match": glob, "verdict": "allow"} for glob in globs]) == []
    assert len(idle(rules=[{"match": "gitlab__*", "verdict": "allow"}])) == 1


def test_agents_are_not_judged_where_nobody_knows_them() -> None:
    policies = ToolPolicies.model_validate({"rules": [{"match": "*", "agents": ["poet"], "verdict": "deny"}]})
    assert find_idle_names(policies, Known(frozenset(), KNOWN.tools, KNOWN.open)) == []
