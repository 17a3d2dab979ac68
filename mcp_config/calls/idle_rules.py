"""Names in policies that nothing is called by. No mistake in form, and yet a misspelled denial denies nothing. Pure."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from config.policies import ToolPolicies
from config.wording import suggestion
from mcp_config.calls.decision import PERSON
from mcp_config.names import may_match_prefix


@dataclass(frozen=True)
class Known:
    """What there is to be named."""

    agents: frozenset[str]
    """None of them where nobody knows."""
    tools: frozenset[str]
    open: frozenset[str]
    """Beginnings of names of which more may come: of servers that are not up, and what is no server's."""


def find_idle_names(policies: ToolPolicies, known: Known) -> list[str]:
    """Returns one line for each name that fits nothing there is, with where it is written and what it may mean."""
    tools = _lines(_tool_globs(policies), lambda glob: _names_tool(glob, known), "tool", known.tools)
    agents = _lines(_agent_globs(policies), lambda glob: _names_agent(glob, known), "agent", known.agents)
    return [*tools, *agents]


def _lines(
    named: Iterator[tuple[str, str]], fits: Callable[[str], bool], kind: str, known: Collection[str]
) -> list[str]:
    return [
        f"{place} names {glob}, and no {kind} is called so{suggestion(glob, known)}"
        for place, glob in named
        if not fits(glob)
    ]


def _tool_globs(policies: ToolPolicies) -> Iterator[tuple[str, str]]:
    for place, rule in enumerate(policies.rules):
        yield f"rules[{place}].match", rule.match
    for glob, settings in policies.tools.items():
        yield "tools", glob
        if settings.after:
            yield f'tools["{glob}"].after', settings.after


def _agent_globs(policies: ToolPolicies) -> Iterator[tuple[str, str]]:
    for place, rule in enumerate(policies.rules):
        for glob in rule.agents:
            yield f"rules[{place}].agents", glob
    for glob in policies.rates.agents:
        yield "rates.agents", glob


def _names_tool(glob: str, known: Known) -> bool:
    if any(fnmatchcase(tool, glob) for tool in known.tools):
        return True
    if "[" in glob or "/" in glob:  # not worked out: what a set may begin, and what a server has beside tools
        return True
    return any(may_match_prefix(glob, prefix) for prefix in known.open)


def _names_agent(glob: str, known: Known) -> bool:
    return not known.agents or any(fnmatchcase(agent, glob) for agent in (PERSON, *known.agents))
