"""Any plan comes to an end: each step is run at most once, after what it depends on, or is known not to run."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.progress import Progress
from nodes.state import PlanStep, StepResult
from tests.graph.conftest import agent

AGENTS = {each.id: each for each in (agent("router"), agent("sql"), agent("clock"))}


@st.composite
def plans(draw: st.DrawFn) -> list[PlanStep]:
    """Steps that depend on earlier ones; some name an agent that is gone."""
    steps: list[PlanStep] = []
    for number in range(draw(st.integers(1, 6))):
        before = draw(st.sets(st.sampled_from([step["id"] for step in steps]))) if steps else set[str]()
        name = draw(st.sampled_from(["sql", "clock", "gone"]))
        steps.append(PlanStep(id=f"step_{number}", agent=name, task="work", depends_on=sorted(before)))
    return steps


def end(step: PlanStep, *, well: bool) -> StepResult:
    return StepResult(
        step_id=step["id"],
        agent=step["agent"],
        task=step["task"],
        status="completed" if well else "failed",
        output="words",
        code="" if well else "model_unavailable",
    )


@pytest.mark.slow
@given(plan=plans(), data=st.data())
def test_every_plan_ends_in_waves(plan: list[PlanStep], data: st.DataObject) -> None:
    progress = Progress("router", plan, [], replanned=True)
    ran: set[str] = set()
    while True:
        progress = replace(progress, results=[*progress.results, *progress.blocked(AGENTS)])
        if not progress.ready:
            break
        for step in progress.ready:
            assert step["id"] not in ran
            assert step["agent"] != "gone"
            assert {*step["depends_on"]} <= ran
            ran.add(step["id"])
        ended = [end(step, well=data.draw(st.booleans())) for step in progress.ready]
        progress = replace(progress, results=[*progress.results, *ended])

    assert {result["step_id"] for result in progress.results} == {step["id"] for step in plan}
    failed = [result for result in progress.results if result["status"] == "failed"]
    assert (progress.failure() is not None) == (len(failed) == len(plan))
    assert progress.answer is None or len(plan) == 1


def test_step_builds_on_what_it_depends_on_and_on_what_a_first_plan_brought() -> None:
    first, second, third = (
        PlanStep(id=f"step_{number}", agent="sql", task="work", depends_on=needs)
        for number, needs in enumerate([[], [], ["step_0"]])
    )
    old = end(PlanStep(id="step_old", agent="clock", task="time", depends_on=[]), well=True)
    results = [old, end(first, well=True), end(second, well=True)]

    earlier = Progress("router", [first, second, third], results, replanned=True).earlier(third)

    assert [result["step_id"] for result in earlier] == ["step_old", "step_0"]


def test_failure_with_several_reasons_names_them_all() -> None:
    plan = [PlanStep(id=f"step_{number}", agent="sql", task="work", depends_on=[]) for number in range(2)]
    results = [end(step, well=False) for step in plan]
    results[1] = {**results[1], "code": "model_auth", "output": "no key"}

    failure = Progress("router", plan, results, replanned=True).failure()

    assert failure == {"code": "all_steps_failed", "detail": "words; no key"}
