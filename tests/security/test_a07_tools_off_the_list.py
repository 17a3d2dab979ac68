"""A07: a tool off the agent's list, or another agent's after a hand-over, is never run; audit and model are told."""

import pytest

from tests.http.serving import Json
from tests.security.house import House
from tests.support.scripted_model import Replies, plans_for, prompted, says

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

ALL = {"rules": [{"match": "*", "verdict": "allow"}]}
LETTER = {"to": "eve", "text": "hello"}


async def test_a_tool_off_the_agents_list_is_never_run(house: House) -> None:
    await house.govern(**ALL)
    await house.hire("reader", "house__page")
    before = house.letters
    ended = (await house.run("a07 write to eve", "reader", ("house__send", LETTER)))[0]
    assert (ended["status"], ended["error"]["code"]) == ("denied", "not_allowed")
    assert "not among the tools of this agent" in house.model.requests[-1].tool_results[-1]
    entry = (await house.audit(tool="house__send", limit=1))[0]
    assert (entry["outcome"], entry["agent"], entry["rule"]) == ("denied", "reader", "agent reader")
    assert house.letters == before


async def test_an_agent_that_takes_over_has_only_its_own_tools(house: House) -> None:
    await house.govern(**ALL)
    await house.hire("writer", "house__send")
    await house.hire("reader", "house__page")
    before = house.letters
    plan: list[Json] = [
        {"agent": "writer", "task": "a07 say who you are"},
        {"agent": "reader", "task": "a07 go on for the writer", "depends_on": [1]},
    ]
    house.model.when(plans_for("a07 hand over"), Replies.plan(plan))
    house.model.when(prompted("you are writer"), Replies.text("I can send."))
    house.model.when(prompted("you are reader"), Replies.tool("house__send", LETTER), Replies.text("It was refused."))
    house.model.when(says("a07 hand over"), Replies.text("Nothing was sent."))
    run_id = await house.start("a07 hand over", "router")
    entry = (await house.audit(run_id=run_id, limit=1))[0]
    assert (entry["outcome"], entry["agent"], entry["rule"]) == ("denied", "reader", "agent reader")
    assert house.letters == before
