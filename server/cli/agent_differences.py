"""How the agents of a file differ from those of a server, in lines that people read. Pure."""

import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import JsonValue

from config.agents import AgentSpec

_UNCOMPARED: Final = {"version"}
"""The server's own count."""


@dataclass(frozen=True)
class Difference:
    kind: Literal["only in the file", "only on the server", "changed"]
    wanted: AgentSpec | None
    present: AgentSpec | None

    @property
    def agent_id(self) -> str:
        agent = self.wanted or self.present
        return agent.id if agent else ""

    @property
    def keys(self) -> list[str]:
        """What of a changed agent is different."""
        if not (self.wanted and self.present):
            return []
        wanted, present = _content(self.wanted), _content(self.present)
        return [key for key in wanted if wanted[key] != present[key]]

    def lines(self) -> Iterator[str]:
        """Yields the agent, and for a changed one each key: `-` is what the server has, `+` what the file says."""
        yield f"{self.agent_id}: {self.kind}"
        if self.wanted and self.present:
            wanted, present = _content(self.wanted), _content(self.present)
            for key in self.keys:
                yield f"  {key}:"
                yield from (f"    {line}" for line in _changes(present[key], wanted[key]))


def compare(wanted: Sequence[AgentSpec], present: Sequence[AgentSpec]) -> list[Difference]:
    """Returns what is to be done to make `present` what is `wanted`, by the agents' ids."""
    there, asked = {agent.id: agent for agent in present}, {agent.id: agent for agent in wanted}
    return [
        _difference(asked.get(agent_id), there.get(agent_id))
        for agent_id in sorted({*there, *asked})
        if agent_id not in there or agent_id not in asked or _content(there[agent_id]) != _content(asked[agent_id])
    ]


def _difference(wanted: AgentSpec | None, present: AgentSpec | None) -> Difference:
    if wanted is None:
        return Difference("only on the server", wanted, present)
    return Difference("changed" if present else "only in the file", wanted, present)


def _content(agent: AgentSpec) -> dict[str, JsonValue]:
    return agent.model_dump(mode="json", exclude=_UNCOMPARED)


def _changes(before: JsonValue, after: JsonValue) -> list[str]:
    """Returns the lines that differ, with one around them."""
    compared = list(difflib.unified_diff(_lines(before), _lines(after), n=1, lineterm=""))
    return [line for line in compared[2:] if not line.startswith("@@")]


def _lines(value: JsonValue) -> list[str]:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    return text.splitlines()
