"""What a fork begins with: plan and outputs of an ended run, up to where it goes another way. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from config.ids import derive_id
from graph.events import Plan, PlannedStep, StepKind


class ForkError(Exception):
    """The run cannot be forked so; `str(error)` says why, `code` is stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class DoneStep(BaseModel):
    """A step that is not run again."""

    model_config = ConfigDict(frozen=True)

    id: str
    agent: str
    task: str
    output: str
    made_as: str = ""
    """The step, of this run's forebear, that was really at work, and whose tool calls these are."""


class HeadStart(BaseModel):
    """A plan and those of its steps that are done, with the ids they have in the new run."""

    model_config = ConfigDict(frozen=True)

    plan: Plan
    done: tuple[DoneStep, ...] = ()
    """Also what a first plan brought before it was made anew."""
    replanned: bool = False
    read: tuple[str, ...] = ()
    """Tools whose results may stand in these outputs."""


@dataclass(frozen=True)
class SourceStep:
    id: str
    kind: StepKind
    agent: str
    task: str
    output: str | None
    """None unless it was completed."""
    made_as: str = ""
    """The step that was really at work, where this one was itself taken over; else empty."""


@dataclass(frozen=True)
class Source:
    """An ended run, as its log tells of it."""

    plans: tuple[Plan, ...]
    """The plan, and the one that was made after a step had failed; of a run without planning, its only step."""
    steps: tuple[SourceStep, ...]
    """Those that were at work, in the order they began."""
    read: frozenset[str] = frozenset()
    """Tools whose results it had read."""


@dataclass(frozen=True)
class Wish:
    """Where the fork goes another way, and how. Without a step: where the run failed, else with its answer."""

    step_id: str | None = None
    task: str | None = None
    agent: str | None = None

    @property
    def changes(self) -> bool:
        return self.task is not None or self.agent is not None


def build_head_start(run_id: str, source: Source, wish: Wish) -> HeadStart | None:
    """Returns what the run `run_id` begins with; None when it begins with its planning.

    Raises:
        ForkError: the step is not the run's, or not one to go another way from.
    """
    number = _find_plan(source, wish)
    if number is None:
        return None
    plan, before = source.plans[number], _brought_before(source, number)
    outputs = {step.id: step.output for step in source.steps if step.output is not None}
    made_as = {step.id: step.made_as or step.id for step in source.steps}
    changed = wish.step_id or (plan.steps[0].id if len(plan.steps) == 1 else None)
    alone = len(plan.steps) == 1 and not before
    again = _run_again(plan, outputs, changed if wish.step_id or wish.changes or alone else None)
    done = [(step.id, step.agent, step.task) for step in plan.steps if step.id not in again]
    return HeadStart(
        plan=Plan(steps=tuple(_renamed(run_id, step, wish if step.id == changed else Wish()) for step in plan.steps)),
        done=tuple(
            DoneStep(
                id=derive_id("step", run_id, step_id),
                agent=agent,
                task=task,
                output=outputs[step_id],
                made_as=made_as[step_id],
            )
            for step_id, agent, task in [*before, *done]
        ),
        replanned=number > 0 or bool(before),
        read=tuple(sorted(source.read)),
    )


def _find_plan(source: Source, wish: Wish) -> int | None:
    """Returns which plan the fork takes up; None for a new one."""
    newest = len(source.plans) - 1 if source.plans else None
    if wish.step_id is None:
        if wish.changes and (newest is None or len(source.plans[newest].steps) != 1):
            raise ForkError("step_not_forkable", "Name the step whose `task` or `agent_id` shall be another.")
        return newest
    kind = next((step.kind for step in source.steps if step.id == wish.step_id), None)
    places = [place for place, plan in enumerate(source.plans) if wish.step_id in {step.id for step in plan.steps}]
    if places:
        return places[0]
    if kind is None:
        raise ForkError("unknown_step", f"This run has no step {wish.step_id}; GET /v1/runs/{{id}}/steps lists them.")
    if kind == "agent" or wish.changes:
        raise ForkError("step_not_forkable", "Only a step of this run's own plan takes another `task` or `agent_id`.")
    if kind == "synthesis":
        return newest
    if source.steps[0].id != wish.step_id:
        raise ForkError("step_not_forkable", "A run is not forked at its second planning; take a step of its plan.")
    return None


def _brought_before(source: Source, number: int) -> list[tuple[str, str, str]]:
    """Returns id, agent and task of what was done before this plan was made."""
    here_or_later = {step.id for plan in source.plans[number:] for step in plan.steps}
    done = (step for step in source.steps if step.kind == "agent" and step.output is not None)
    return [(step.id, step.agent, step.task) for step in done if step.id not in here_or_later]


def _run_again(plan: Plan, outputs: Mapping[str, str], chosen: str | None) -> set[str]:
    """Returns the chosen step, those that have no output, and all that depend on these."""
    again = set[str]()
    for step in plan.steps:
        if step.id == chosen or step.id not in outputs or again.intersection(step.depends_on):
            again.add(step.id)
    return again


def _renamed(run_id: str, step: PlannedStep, wish: Wish) -> PlannedStep:
    return PlannedStep(
        id=derive_id("step", run_id, step.id),
        agent=wish.agent or step.agent,
        task=wish.task or step.task,
        depends_on=tuple(derive_id("step", run_id, before) for before in step.depends_on),
    )
