"""May this caller make this call? One pure function, asked before acting and by whoever only wants to know.

Deny wins over ask, ask over allow, and what no rule speaks of is denied.
"""

from collections.abc import Set
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from config.agents import AgentSpec
from config.policies import Rule, Tag, ToolPolicies, ToolSettings, Verdict
from mcp_config.calls.conditions import fulfils, may_fulfil
from mcp_config.calls.sql_policy import find_sql_complaint
from mcp_config.names import globs_meet, matches_any, order_by_precision
from mcp_config.tools import Caller, JsonObject

PERSON: Final = "-"
"""What rules call a person who calls a tool without an agent."""
_DEFAULT: Final = "default"
_STRICTEST: Final[tuple[Verdict, ...]] = ("deny", "ask", "allow")


@dataclass(frozen=True)
class Decision:
    verdict: Verdict
    rule: str
    """What said so: `rules[2] (git__*)`, `agent sql-agent`, or `default`."""
    reason: str


@dataclass(frozen=True)
class PassedOver:
    """A rule for the tool that does not hold for the call."""

    rule: str
    verdict: Verdict
    unmet: str
    """The key of the rule that is to blame: `roles`, `users`, `agents`, `when[0] (/url)`."""


def decide(
    caller: Caller,
    tool: str,
    arguments: JsonObject,
    policies: ToolPolicies,
    agent: AgentSpec | None,
    read: Set[str] = frozenset(),
    defaults: JsonObject | None = None,
) -> Decision:
    """Returns the strictest verdict on the call.

    `agent` is the caller's agent, None for a person; `read` are the tools whose results its run has read; `defaults`
    what the tool takes for arguments that are left out.
    """
    refusal = find_refusal(caller, tool, agent) or _find_sql_refusal(agent, tool, arguments)
    if refusal:
        return refusal
    verdicts: dict[Verdict, Decision] = {}
    if third_leg := _find_trifecta(tool, read, policies):
        verdicts["ask"] = third_leg
    elif agent is not None and matches_any(tool, agent.policies.approval.tools):
        verdicts["ask"] = Decision("ask", f"agent {agent.id}", "this agent's policy asks for a person's approval")
    for place, rule in enumerate(policies.rules):
        if rule.verdict not in verdicts and _find_unmet(rule, caller, tool, arguments, defaults or {}) is None:
            verdicts[rule.verdict] = Decision(rule.verdict, _place(place, rule), rule.reason)
    default = Decision("deny", _DEFAULT, "no rule allows it")
    return next((verdicts[verdict] for verdict in _STRICTEST if verdict in verdicts), default)


def trust(decision: Decision) -> Decision:
    """Returns the decision on a call that whoever makes it has decided already, and asked about: a denial holds."""
    if decision.verdict == "deny" and decision.rule != _DEFAULT:
        return decision
    return Decision("allow", "decided by the caller", "another open-agent has decided, and asked where it must")


def find_refusal(caller: Caller, tool: str, agent: AgentSpec | None) -> Decision | None:
    """Returns the denial of a tool that is not on the agent's list; a person has no such list."""
    if caller.agent is None:
        return None
    if agent is None or not agent.enabled:
        return Decision("deny", f"agent {caller.agent}", "there is no such agent, or it is not enabled")
    if not matches_any(tool, agent.allowed_tools):
        return Decision("deny", f"agent {agent.id}", "it is not among the tools of this agent")
    return None


def _find_sql_refusal(agent: AgentSpec | None, tool: str, arguments: JsonObject) -> Decision | None:
    if agent is None or (tables := agent.policies.sql.tables) is None:
        return None
    complaint = find_sql_complaint(tool, arguments, tables)
    return Decision("deny", f"agent {agent.id} (sql.tables)", complaint) if complaint else None


def build_settings(policies: ToolPolicies, tool: str) -> ToolSettings:
    """Returns how the tool is to be run: for each key the most specific entry that names it."""
    merged: dict[str, object] = {}
    for glob in order_by_precision(policies.tools, tool):
        merged |= policies.tools[glob].model_dump(exclude_none=True)
    return ToolSettings.model_validate(merged)


def tags_of(policies: ToolPolicies, tool: str) -> frozenset[Tag]:
    return frozenset(build_settings(policies, tool).tags or ())


def find_legs(agent: AgentSpec, policies: ToolPolicies) -> frozenset[Tag]:
    """Returns what the agent's tools, all together, let it do. All three at once is the trifecta."""
    keys = [key for key in policies.tools if any(globs_meet(key, glob) for glob in agent.allowed_tools)]
    return frozenset(tag for key in keys for tag in policies.tools[key].tags or ())


def _find_trifecta(tool: str, read: Set[str], policies: ToolPolicies) -> Decision | None:
    """Returns the demand for approval of a call that could carry private data out on the word of a stranger.

    What only sends always asks once something untrusted was read: the conversation itself is private. What sends by
    reading, as a web reader does with the address it is given, asks once private data was read as well.
    """
    own = tags_of(policies, tool)
    strangers = sorted(name for name in read if "untrusted_input" in tags_of(policies, name))
    if "external_send" not in own or not strangers:
        return None
    private = own.union(*(tags_of(policies, name) for name in read))
    if "untrusted_input" in own and "private_read" not in private:
        return None
    reason = f"the run has read untrusted content ({', '.join(strangers)}), and this tool could send private data out"
    return Decision("ask", f"trifecta ({tool})", reason)


def find_passed_over(
    caller: Caller, tool: str, arguments: JsonObject, policies: ToolPolicies, defaults: JsonObject | None = None
) -> list[PassedOver]:
    """Returns the rules for this tool that do not hold for this call, for whoever wonders why."""
    return [
        PassedOver(_place(place, rule), rule.verdict, unmet)
        for place, rule in enumerate(policies.rules)
        if (unmet := _find_unmet(rule, caller, tool, arguments, defaults or {})) not in (None, "match")
    ]


def _place(place: int, rule: Rule) -> str:
    return f"rules[{place}] ({rule.match})"


def _find_unmet(rule: Rule, caller: Caller, tool: str, arguments: JsonObject, defaults: JsonObject) -> str | None:
    """Returns the first key of the rule that keeps it from this call; None where it speaks of it."""
    if not fnmatchcase(tool, rule.match):
        return "match"
    if caller.role not in rule.roles:
        return "roles"
    if not matches_any(caller.owner, rule.users):
        return "users"
    if not matches_any(caller.agent or PERSON, rule.agents):
        return "agents"
    test = fulfils if rule.verdict == "allow" else may_fulfil
    known = arguments if rule.verdict == "allow" else {**defaults, **arguments}
    unmet = (place for place, condition in enumerate(rule.when) if not test(condition, known))
    return next((f"when[{place}] ({rule.when[place].argument})" for place in unmet), None)
