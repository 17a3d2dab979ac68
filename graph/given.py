"""A fork's head start as nodes share it. Apart from `forking.py`, which the database knows and LangGraph does not."""

import nodes.state
from graph.forking import HeadStart
from nodes.state import PlanStep, StepResult


def build_given(head_start: HeadStart) -> nodes.state.HeadStart:
    """Returns the head start as nodes share it."""
    plan = [
        PlanStep(id=step.id, agent=step.agent, task=step.task, depends_on=[*step.depends_on])
        for step in head_start.plan.steps
    ]
    results = [
        StepResult(step_id=step.id, agent=step.agent, task=step.task, status="completed", output=step.output, code="")
        for step in head_start.done
    ]
    return nodes.state.HeadStart(plan=plan, results=results, replanned=head_start.replanned)
