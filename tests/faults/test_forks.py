"""A fork whose server is killed: it is taken up again, and what it kept is neither asked nor done a second time."""

import pytest

from tests.faults.lab import Lab, get_run, start, whole_log
from tests.graph.conftest import synthesizes
from tests.support.scripted_model import Replies, ScriptedModel, has_result, plans, says

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


async def test_fork_survives_kill_9_and_repeats_nothing_of_what_it_kept(
    lab: Lab, scripted_model: ScriptedModel
) -> None:
    steps = [{"agent": "worker", "task": "act at once"}, {"agent": "general", "task": "comment"}]
    scripted_model.always(synthesizes, Replies.text("All in all."))
    scripted_model.when(plans, Replies.plan(steps))
    scripted_model.when(has_result(), Replies.text("acted"))
    scripted_model.when(says("act at once"), Replies.tool("lab__act", {"key": "kept"}))
    scripted_model.when(
        says("comment anew"), Replies.text("half ", "never").stalled(after=1), Replies.text("well done")
    )
    scripted_model.when(says("comment"), Replies.text("done"))
    async with lab.serving() as running, running.client() as client:
        run_id = await start(client, "both, please", "router")
        assert (await whole_log(client, run_id))[-1].type == "run.completed"
        source = (await client.get(f"/v1/runs/{run_id}/steps")).json()["data"]
        wish = {"step_id": source[2]["id"], "task": "comment anew"}
        fork = (await client.post(f"/v1/runs/{run_id}/fork", json=wish)).raise_for_status().json()["id"]
        await scripted_model.requested(says("comment anew"))
        await running.kill()
    async with lab.serving() as running, running.client() as client:
        log = await whole_log(client, fork)
        run, kept = await get_run(client, fork), (await client.get(f"/v1/runs/{fork}/steps")).json()["data"]
        assert (run["status"], run["attempt"], run["forked_from"]) == ("completed", 2, run_id)
        assert [event.type for event in log].count("run.resumed") == 1
        assert (kept[1]["output"], kept[1]["tool_calls"]) == ("acted", source[1]["tool_calls"])
        assert kept[2]["output"] == "well done"
        assert await running.stop() == 0
    assert lab.traces("act", "kept") == 1
