"""What a run has taken so far: counted while it works, over all of its steps and attempts. Knows no limits."""

from dataclasses import dataclass, field

from nodes.models.port import NO_USAGE, Usage


@dataclass
class StepSpending:
    usage: Usage = NO_USAGE
    calls: set[str] = field(default_factory=set)
    """Ids of the tool calls that its model asked for: a call that is taken up again after a crash counts once."""
    seconds: float = 0.0
    """At work in earlier attempts."""


@dataclass
class Spending:
    """Shared by all nodes of a run, so that parallel steps know of each other."""

    steps: dict[str, StepSpending] = field(default_factory=dict)
    """Every step that has begun, by its id."""
    seconds: float = 0.0
    """At work in earlier attempts."""

    def of(self, step_id: str) -> StepSpending:
        """Returns what the step has taken; a step that is asked for has begun."""
        return self.steps.setdefault(step_id, StepSpending())

    def usage_of(self, step_id: str) -> Usage:
        return self.of(step_id).usage

    @property
    def usage(self) -> Usage:
        return sum((step.usage for step in self.steps.values()), NO_USAGE)

    @property
    def calls(self) -> int:
        return sum(len(step.calls) for step in self.steps.values())
