"""The limits of a run, held before anything is dispatched. What has been spent is counted in `nodes.spending`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from config.agents import AgentSpec, Limits
from nodes.models.port import ModelError, Usage
from nodes.spending import Spending
from nodes.state import BUDGET_EXCEEDED

LimitName = Literal["steps", "tool_calls", "tokens", "seconds", "cost_usd"]


class BudgetExceeded(ModelError):
    """A limit was reached; `str(error)` names it, its value and who set it.

    A `ModelError`, because it comes up where a model is to be asked, and ends a step and a run in the same way.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(BUDGET_EXCEEDED, detail)


@dataclass(frozen=True)
class Bound:
    """Limits, and who set them, as in `by the request`."""

    limits: Limits
    setter: str


@dataclass(frozen=True)
class Bar:
    """The tightest of several limits of one kind."""

    name: LimitName
    value: float
    setter: str

    def exceeded(self, took: str) -> BudgetExceeded:
        """`took` says how far the run went or would go, as in `the run took 12 tokens`."""
        return BudgetExceeded(f"the limit {self.name} = {self.value:g}, set by {self.setter}, is used up: {took}")


@dataclass(frozen=True)
class Budget:
    """What one run may spend. Each step is also held to the limits of its own agent."""

    spending: Spending = field(default_factory=Spending)
    bounds: Sequence[Bound] = ()
    agents: Mapping[str, AgentSpec] = field(default_factory=dict)

    def run_bar(self, name: LimitName) -> Bar | None:
        return _tightest(name, self.bounds)

    def step_bar(self, name: LimitName, agent: str) -> Bar | None:
        spec = self.agents.get(agent)
        return _tightest(name, [Bound(spec.policies.limits, f"the agent {agent}")]) if spec else None

    def check_steps(self, coming: Collection[str]) -> None:
        """Raises `BudgetExceeded` when these steps, with those that have begun, are more than the run may have."""
        needed = len(self.spending.steps.keys() | set(coming))
        if (bar := self.run_bar("steps")) and needed > bar.value:
            raise bar.exceeded(f"the run needs {needed} steps")

    def check_model(self, step_id: str, agent: str) -> None:
        """Raises `BudgetExceeded` when nothing is left that a model call could take."""
        self._check_usage(step_id, agent, spare=False)

    def add_usage(self, step_id: str, agent: str, usage: Usage) -> None:
        """Counts what a model call took. Raises `BudgetExceeded` when it was more than was left."""
        self.spending.of(step_id).usage += usage
        self._check_usage(step_id, agent, spare=True)

    def add_calls(self, step_id: str, agent: str, call_ids: Collection[str]) -> None:
        """Counts tool calls before they are made. Raises `BudgetExceeded`, counting none, when not all may be made."""
        step = self.spending.of(step_id)
        new = set(call_ids) - step.calls
        for bar, made, whose in (
            (self.run_bar("tool_calls"), self.spending.calls, "run"),
            (self.step_bar("tool_calls", agent), len(step.calls), "step"),
        ):
            if bar and made + len(new) > bar.value:
                raise bar.exceeded(f"the {whose} asked for {made + len(new)} tool calls")
        step.calls |= new

    def _check_usage(self, step_id: str, agent: str, *, spare: bool) -> None:
        """With `spare`, a limit that is just reached is kept; without, nothing is left to begin a call with."""
        for whose, usage, find_bar in (
            ("run", self.spending.usage, self.run_bar),
            ("step", self.spending.usage_of(step_id), partial(self.step_bar, agent=agent)),
        ):
            if (tokens := find_bar("tokens")) and usage.tokens + (not spare) > tokens.value:
                raise tokens.exceeded(f"the {whose} took {usage.tokens} tokens{_guessed(usage)}")
            cost = find_bar("cost_usd")
            if cost and (usage.cost_usd > cost.value or (not spare and usage.cost_usd >= cost.value)):
                raise cost.exceeded(f"the {whose} cost ${usage.cost_usd:.6g}{_guessed(usage)}")


def _guessed(usage: Usage) -> str:
    return " by estimate, for its provider tells no counts" if usage.estimated else ""


def _tightest(name: LimitName, bounds: Sequence[Bound]) -> Bar | None:
    bars = [Bar(name, value, bound.setter) for bound in bounds if (value := getattr(bound.limits, name)) is not None]
    return min(bars, key=lambda bar: bar.value, default=None)
