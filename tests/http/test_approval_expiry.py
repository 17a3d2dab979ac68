"""Nobody answers: the question is closed and the run goes on without the call. Restarts lose no question."""

from pathlib import Path

import pytest

from tests.http.serving import (
    ADMIN_KEY,
    USER_KEY,
    build_settings,
    ended,
    follow,
    open_served,
    start_run,
    write_policies,
)
from tests.http.test_approvals import ask_by_hand, made, waiting
from tests.support.scripted_model import Replies, ScriptedModel, has_result, says

pytestmark = pytest.mark.slow


async def test_question_that_nobody_answers_expires_closed(tmp_path: Path, scripted_model: ScriptedModel) -> None:
    scripted_model.when(has_result("nobody approved it in time"), Replies.text("Nobody was there."))
    scripted_model.when(says("999*1"), Replies.tool("calculator__calculate", {"expression": "999*1"}))
    policies = write_policies(tmp_path / "policies.yaml")
    settings = build_settings(
        tmp_path / "data", scripted_model.base_url, tool_policies_file=policies, approval_seconds=0.8
    )
    async with open_served(settings) as served, served.client(USER_KEY) as client:
        run = await start_run(client, "what is 999*1?", "tool-agent")
        assert (await ended(client, run["id"]))["status"] == "completed"
        [approval] = (await client.get("/v1/approvals", params={"run_id": run["id"]})).json()["data"]
        assert (approval["status"], approval["resolved_by"]) == ("expired", "open-agent")
        assert approval["tool_call"]["status"] == "denied"
        late = await client.post(f"/v1/approvals/{approval['id']}", json={"decision": "approve"})
        assert (late.status_code, late.json()["code"]) == (409, "approval_expired")
        types = [sent.event for sent in await follow(client, run["id"])]
        assert types.count("approval.resolved") == 1


async def test_open_question_is_answered_after_a_restart(tmp_path: Path, scripted_model: ScriptedModel) -> None:
    scripted_model.when(has_result("1998"), Replies.text("It is 1998."))
    scripted_model.when(says("999*2"), Replies.tool("calculator__calculate", {"expression": "999*2"}))
    policies = write_policies(tmp_path / "policies.yaml")
    settings = build_settings(tmp_path / "data", scripted_model.base_url, tool_policies_file=policies)
    async with open_served(settings) as served, served.client(USER_KEY) as client:
        run = await start_run(client, "what is 999*2?", "tool-agent")
        approval = await waiting(client, run)
        async with served.client(ADMIN_KEY) as admin:
            by_hand = await ask_by_hand(admin, "999+1")
    async with open_served(settings) as served, served.client(USER_KEY) as client:
        assert (await client.get(f"/v1/runs/{run['id']}")).json()["status"] == "requires_action"
        await client.post(f"/v1/approvals/{approval['id']}", json={"decision": "approve"})
        assert (await ended(client, run["id"]))["status"] == "completed"
        [step] = (await client.get(f"/v1/runs/{run['id']}/steps")).json()["data"]
        assert [(call["status"], call["result"]) for call in step["tool_calls"]] == [("ok", "1998")]
        async with served.client(ADMIN_KEY) as admin:
            await admin.post(f"/v1/approvals/{by_hand['id']}", json={"decision": "approve"})
            assert (await made(admin, by_hand))["tool_call"]["result"] == "1000"
