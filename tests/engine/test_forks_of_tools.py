"""Forks of runs that used tools, on both databases: what is kept is shown with its calls, and none is made again."""

import pytest

from graph.events import StepCompleted
from server.resources.runs import NewFork, Run, Step
from tests.engine.conftest import House, Site
from tests.engine.talk import OWNER, ask, final, read_to_end
from tests.graph.conftest import plan, synthesizes
from tests.graph.laws import check_laws
from tests.graph.workbench import Tool, returning
from tests.support.scripted_model import Replies, has_result, plans, says

pytestmark = pytest.mark.slow


@pytest.fixture
def place(database_url: str) -> str:
    return database_url


async def steps_of(house: House, run: Run) -> list[Step]:
    return await house.store.runs.steps(OWNER, run.id)


async def test_kept_steps_list_the_calls_that_they_made_also_in_a_fork_of_a_fork(site: Site) -> None:
    site.tools = {"time__now": Tool(returning("12:00"))}
    site.script.always(synthesizes, Replies.text("Hello at noon."))
    site.script.when(plans, plan({"agent": "clock", "task": "look"}, {"agent": "general", "task": "greet"}))
    site.script.when(has_result("12:00"), Replies.text("noon"))
    site.script.when(says("look"), Replies.tool("time__now"))
    site.script.always(says("greet"), Replies.text("hello"))
    async with site.house() as house:
        run = await final(house, await ask(house, "both, please", agent_id="router"))
        made = (await steps_of(house, run))[1].tool_calls
        for _ in range(2):
            greeting = (await steps_of(house, run))[2]
            wish = NewFork(step_id=greeting.id, task="greet again")
            run = await final(house, await house.engine.fork_run(OWNER, "user", run.id, wish))
            log = await read_to_end(house, run.id)
            check_laws(log)
            _, looked, greeted, told = await steps_of(house, run)
            assert (looked.output, looked.tool_calls, looked.usage.total_tokens) == ("noon", made, 0)
            assert (greeted.task, greeted.tool_calls, told.output) == ("greet again", [], "Hello at noon.")
            assert [event.output for event in log if isinstance(event, StepCompleted)][1] == "noon"
        assert [(call.tool, call.status, call.result) for call in made] == [("time__now", "ok", "12:00")]
        assert len(house.tools.acts) == 1
