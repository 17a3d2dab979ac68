"""A head start: the run takes up another one's plan, and the steps that are done there are not run again."""

from config.agents import ROUTER
from config.ids import derive_id
from nodes.facts import FactWriter, PlanMade, Said, StepDone, StepOpened
from nodes.models.port import Usage
from nodes.plan import describe_plan
from nodes.spending import Spending
from nodes.state import HeadStart


def say_head_start(given: HeadStart, run_id: str, question: str | None, write: FactWriter, spending: Spending) -> None:
    """Tells of the plan and of what is done as if it had been done here, only that it took nothing.

    These steps count as steps of this run, as they do when its log is read after a restart.

    `question` is what was planned for; None in a run without planning.
    """
    if question is not None:
        plan_id = derive_id("step", run_id, "plan")
        spending.of(plan_id)
        write(StepOpened(plan_id, "plan", ROUTER, question))
        write(PlanMade(plan_id, given["plan"]))
        write(StepDone(plan_id, describe_plan(given["plan"]), Usage()))
    for result in given["results"]:
        spending.of(result["step_id"])
        write(StepOpened(result["step_id"], "agent", result["agent"], result["task"]))
        if result["output"]:
            write(Said(result["step_id"], "work", result["output"]))
        write(StepDone(result["step_id"], result["output"], Usage()))
