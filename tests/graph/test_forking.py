"""What a fork takes over: what is done and does not depend on the step from which it goes another way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.ids import derive_id, new_id
from graph.events import Plan, PlannedStep
from graph.forking import ForkError, Source, SourceStep, Wish, build_head_start

RUN = new_id("run")
ONE, TWO, THREE = (new_id("step") for _ in range(3))
PLANNING, ANSWER = new_id("step"), new_id("step")


def mapped(*ids: str) -> list[str]:
    return [derive_id("step", RUN, each) for each in ids]


def planned(step_id: str, *depends_on: str) -> PlannedStep:
    return PlannedStep(id=step_id, agent="general", task=f"task {step_id}", depends_on=depends_on)


def worked(step_id: str, output: str | None = "done") -> SourceStep:
    return SourceStep(step_id, "agent", "general", f"task {step_id}", output)


PLAN = Plan(steps=(planned(ONE), planned(TWO), planned(THREE, ONE)))
PLANNED = SourceStep(PLANNING, "plan", "router", "hello", "a plan")
WHOLE = Source(
    (PLAN,), (PLANNED, worked(ONE), worked(TWO), worked(THREE), SourceStep(ANSWER, "synthesis", "router", "", "it"))
)


@pytest.mark.parametrize(
    ("step_id", "kept"),
    [(ONE, [TWO]), (TWO, [ONE, THREE]), (THREE, [ONE, TWO]), (ANSWER, [ONE, TWO, THREE]), (None, [ONE, TWO, THREE])],
    ids=["first", "second", "third", "answer", "none"],
)
def test_step_and_what_depends_on_it_is_run_anew(step_id: str | None, kept: list[str]) -> None:
    start = build_head_start(RUN, WHOLE, Wish(step_id))
    assert start is not None
    assert [step.id for step in start.plan.steps] == mapped(ONE, TWO, THREE)
    assert list(start.plan.steps[2].depends_on) == mapped(ONE)
    assert ([step.id for step in start.done], start.replanned) == (mapped(*kept), False)


def test_fork_without_a_step_goes_on_where_the_run_failed() -> None:
    start = build_head_start(RUN, Source((PLAN,), (PLANNED, worked(ONE), worked(TWO, None))), Wish())
    assert start is not None
    assert [step.id for step in start.done] == mapped(ONE)


def test_named_step_gets_other_words_and_another_agent() -> None:
    start = build_head_start(RUN, WHOLE, Wish(TWO, task="better", agent="clock"))
    assert start is not None
    assert [(step.agent, step.task) for step in start.plan.steps] == [
        ("general", f"task {ONE}"),
        ("clock", "better"),
        ("general", f"task {THREE}"),
    ]


def test_only_step_of_a_run_needs_no_name() -> None:
    start = build_head_start(RUN, Source((Plan(steps=(planned(ONE),)),), (worked(ONE),)), Wish(task="better"))
    assert start is not None
    assert ([step.task for step in start.plan.steps], start.done) == (["better"], ())


@pytest.mark.parametrize(
    "source", [WHOLE, Source((), (SourceStep(PLANNING, "plan", "router", "hello", None),))], ids=["whole", "unplanned"]
)
def test_fork_from_the_planning_plans_anew(source: Source) -> None:
    assert build_head_start(RUN, source, Wish(PLANNING)) is None


def test_what_a_first_plan_brought_is_kept_with_the_second() -> None:
    second = Plan(steps=(planned(THREE),))
    again = SourceStep(new_id("step"), "plan", "router", "hello", "another plan")
    source = Source(
        (Plan(steps=(planned(ONE), planned(TWO))), second), (PLANNED, worked(ONE), worked(TWO, None), again)
    )
    start = build_head_start(RUN, source, Wish())
    assert start is not None
    assert ([step.id for step in start.done], start.replanned) == (mapped(ONE), True)
    assert [step.id for step in start.plan.steps] == mapped(THREE)
    first = build_head_start(RUN, source, Wish(TWO))
    assert first is not None
    assert ([step.id for step in first.plan.steps], first.replanned) == (mapped(ONE, TWO), False)
    with pytest.raises(ForkError, match="second planning"):
        build_head_start(RUN, source, Wish(again.id))


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        (Wish(new_id("step")), "unknown_step"),
        (Wish(task="better"), "step_not_forkable"),
        (Wish(ANSWER, task="better"), "step_not_forkable"),
        (Wish(PLANNING, agent="clock"), "step_not_forkable"),
    ],
)
def test_fork_that_cannot_be_is_refused(wish: Wish, code: str) -> None:
    with pytest.raises(ForkError) as refusal:
        build_head_start(RUN, WHOLE, wish)
    assert refusal.value.code == code


@st.composite
def histories(draw: st.DrawFn) -> tuple[Source, str]:
    ids = [new_id("step") for _ in range(draw(st.integers(1, 6)))]
    subsets = [st.lists(st.sampled_from(ids[:n]), unique=True) if n else st.just([]) for n in range(len(ids))]
    steps = [planned(each, *draw(subset)) for each, subset in zip(ids, subsets, strict=True)]
    done = [worked(each) for each in ids if draw(st.booleans())]
    return Source((Plan(steps=tuple(steps)),), (PLANNED, *done)), draw(st.sampled_from(ids))


@given(histories())
def test_nothing_is_kept_that_rests_on_what_is_run_anew(history: tuple[Source, str]) -> None:
    source, chosen = history
    start = build_head_start(RUN, source, Wish(chosen))
    assert start is not None
    kept = {step.id for step in start.done}
    assert kept <= set(mapped(*(step.id for step in source.steps if step.kind == "agent")))
    assert derive_id("step", RUN, chosen) not in kept
    for step in start.plan.steps:
        assert step.id not in kept or kept.issuperset(step.depends_on)
