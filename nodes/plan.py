"""The plan as a model writes it: its JSON Schema, its parsing and its laws. Knows no prompt and no graph."""

import json
from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from config.ids import new_id
from mcp_config.tools import JsonObject
from nodes.models.shapes import build_object
from nodes.state import PlanStep

MAX_STEPS: Final = 6


class PlanError(Exception):
    """A plan that cannot be run; `str(error)` tells the model what to change."""


class DraftStep(BaseModel):
    """One step as the model wrote it. `depends_on` holds numbers of earlier steps, from 1."""

    model_config = ConfigDict(frozen=True, strict=True)

    agent: str
    task: str | None = None
    depends_on: list[int] = []


class _Draft(BaseModel):
    steps: list[DraftStep]


def build_plan_schema(agents: Sequence[str]) -> JsonObject:
    """Returns the schema of a plan over these agents: one bare step, or steps that say their task.

    A bare step's task is the message itself: that saves a small model most of its tokens.
    """
    agent: JsonObject = {"type": "string", "enum": list(agents)}
    earlier: JsonObject = {"type": "integer", "enum": list(range(1, MAX_STEPS))}
    bare = build_object({"agent": agent})
    full = build_object({"agent": agent, "task": {"type": "string"}, "depends_on": {"type": "array", "items": earlier}})
    single: JsonObject = {"type": "array", "items": bare, "minItems": 1, "maxItems": 1}
    several: JsonObject = {"type": "array", "items": full, "minItems": 1, "maxItems": MAX_STEPS}
    return build_object({"steps": {"anyOf": [single, several]}})


def parse_plan(value: JsonObject, agents: Sequence[str], message: str) -> list[PlanStep]:
    """Returns the plan's steps with fresh ids; a lone step without a task gets the message as its task.

    Raises:
        PlanError: the value breaks a law of plans.
    """
    drafts = _parse_drafts(value)
    if len(drafts) == 1 and not (drafts[0].task or "").strip():
        drafts = [drafts[0].model_copy(update={"task": message})]
    for number, draft in enumerate(drafts, start=1):
        _check_step(number, draft, agents)
    return number_steps(drafts)


def number_steps(drafts: Sequence[DraftStep]) -> list[PlanStep]:
    """Gives each step its id and turns the numbers of `depends_on` into ids."""
    ids = [new_id("step") for _ in drafts]
    return [
        PlanStep(
            id=step_id,
            agent=draft.agent,
            task=(draft.task or "").strip(),
            depends_on=[ids[number - 1] for number in sorted(set(draft.depends_on))],
        )
        for step_id, draft in zip(ids, drafts, strict=True)
    ]


def describe_plan(steps: Sequence[PlanStep]) -> str:
    """Returns the plan in words, one line per step, for people who read the run's steps."""
    return "\n".join(f"{number}. {step['agent']}: {step['task']}" for number, step in enumerate(steps, start=1))


def write_json(value: object) -> str:
    """Writes as compactly as a plan is asked for: each blank is a token that a small model must make."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _parse_drafts(value: JsonObject) -> list[DraftStep]:
    try:
        drafts = _Draft.model_validate(value).steps
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise PlanError(f"at {place}: {first['msg']}") from error
    if not drafts:
        raise PlanError("it has no steps; at least one is needed")
    if len(drafts) > MAX_STEPS:
        raise PlanError(f"it has {len(drafts)} steps; at most {MAX_STEPS} are allowed")
    return drafts


def _check_step(number: int, draft: DraftStep, agents: Sequence[str]) -> None:
    if draft.agent not in agents:
        raise PlanError(f"step {number} names the unknown agent {draft.agent!r}; the agents are {', '.join(agents)}")
    if not (draft.task or "").strip():
        raise PlanError(f"step {number} has no task; say what {draft.agent} shall do")
    if late := [earlier for earlier in draft.depends_on if not 1 <= earlier < number]:
        raise PlanError(f"step {number} depends on {late[0]}, but only steps before it (from 1) can be depended on")
