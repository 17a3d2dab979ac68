"""How far a plan has come: what is ready, what has failed, what the answer is. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from config.agents import ROUTER, AgentSpec
from nodes.state import BUDGET_EXCEEDED, PlanStep, RunFailure, RunState, StepChannel, StepResult

SKIPPED: Final = "step_skipped"
_UNKNOWN_AGENT: Final = "unknown_agent"
NOT_BEGUN: Final = frozenset({SKIPPED, _UNKNOWN_AGENT})
"""Codes of steps that failed before they could begin."""


@dataclass(frozen=True)
class Progress:
    """A plan and the results so far; after a new plan, those of the first one count, too."""

    agent_id: str
    plan: Sequence[PlanStep]
    results: Sequence[StepResult]
    replanned: bool

    @classmethod
    def of(cls, state: RunState) -> "Progress":
        return cls(
            agent_id=state.get("agent_id", ROUTER),
            plan=state.get("plan", []),
            results=state.get("results", []),
            replanned=state.get("replanned", False),
        )

    @property
    def ready(self) -> list[PlanStep]:
        """The steps that can be run now."""
        results = self._by_step
        waits = [step for step in self.plan if step["id"] not in results]
        return [step for step in waits if all(_completed(results.get(before)) for before in step["depends_on"])]

    @property
    def channel(self) -> StepChannel:
        """One agent's words are the answer when nothing else brings anything."""
        ids = {step["id"] for step in self.plan}
        brought = any(_completed(result) and result["step_id"] not in ids for result in self.results)
        return "answer" if len(ids) == 1 and not brought else "work"

    @property
    def answer(self) -> str | None:
        """The sole agent's words, once it has ended."""
        result = self._by_step.get(self.plan[0]["id"]) if self.channel == "answer" else None
        return result["output"] if result and _completed(result) else None

    @property
    def may_plan_anew(self) -> bool:
        """One new plan after a failure, unless it would follow words that the user already reads as the answer."""
        ids = {step["id"] for step in self.plan}
        failed = [result for result in self._failed if result["step_id"] in ids]
        if not failed or self.replanned or self.agent_id != ROUTER:
            return False
        return not any(result.get("answered") or result["code"] == BUDGET_EXCEEDED for result in failed)

    def earlier(self, step: PlanStep) -> list[StepResult]:
        """Returns what a step builds on: what it depends on, and what a first plan brought."""
        others = {planned["id"] for planned in self.plan} - {*step["depends_on"]}
        return [result for result in self.results if _completed(result) and result["step_id"] not in others]

    def blocked(self, agents: Mapping[str, AgentSpec]) -> list[StepResult]:
        """Returns the ends of steps that cannot run: their agent is gone, or a step they depend on has failed."""
        now, ended = self, list[StepResult]()
        for step in self.plan:
            if reason := now._why_not(step, agents):  # a step's end may block those after it
                ended.append(_failed(step, *reason))
                now = replace(now, results=[*now.results, ended[-1]])
        return ended

    def coming(self, synthesis: str) -> list[str]:
        """Returns the ids of all steps that the plan still needs, its synthesis among them."""
        results = self._by_step
        open_steps = [step["id"] for step in self.plan if step["id"] not in results]
        return open_steps if self.channel == "answer" else [*open_steps, synthesis]

    def failure(self) -> RunFailure | None:
        """Returns why the run must end: a budget is used up, or no step is left that could bring anything."""
        if over := next((result for result in self._failed if result["code"] == BUDGET_EXCEEDED), None):
            return RunFailure(code=BUDGET_EXCEEDED, detail=over["output"])
        if not self.ready and len(self._failed) == len(self.results):
            return _sum_up([result for result in self._failed if result["code"] != SKIPPED])
        return None

    @property
    def _by_step(self) -> dict[str, StepResult]:
        return {result["step_id"]: result for result in self.results}

    @property
    def _failed(self) -> list[StepResult]:
        return [result for result in self.results if not _completed(result)]

    def _why_not(self, step: PlanStep, agents: Mapping[str, AgentSpec]) -> tuple[str, str] | None:
        results, agent = self._by_step, agents.get(step["agent"])
        if step["id"] in results:
            return None
        if agent is None or agent.role != "specialist":
            return _UNKNOWN_AGENT, f"there is no enabled agent {step['agent']!r}; GET /v1/agents lists them"
        if any(before in results and not _completed(results[before]) for before in step["depends_on"]):
            return SKIPPED, "the step was not run, because a step that it depends on failed"
        return None


def _completed(result: StepResult | None) -> bool:
    return result is not None and result["status"] == "completed"


def _failed(step: PlanStep, code: str, detail: str) -> StepResult:
    return StepResult(
        step_id=step["id"], agent=step["agent"], task=step["task"], status="failed", output=detail, code=code
    )


def _sum_up(failed: Sequence[StepResult]) -> RunFailure:
    """One reason where all failed alike, else each reason in its words."""
    codes = {result["code"] for result in failed}
    details = dict.fromkeys(result["output"] for result in failed)
    return RunFailure(code=codes.pop() if len(codes) == 1 else "all_steps_failed", detail="; ".join(details))
