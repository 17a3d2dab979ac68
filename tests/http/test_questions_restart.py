"""What a tool's server has asked when its process ends: closed at once, or at the next start. No run is stuck."""

from pathlib import Path

import pytest

from tests.http.clerk import ask, asked, build_desk, hire, result_of
from tests.support.scripted_model import ScriptedModel
from tests.support.server_process import build_environment, serving

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


@pytest.mark.parametrize(
    ("killed", "reason", "result"),
    [
        (True, "The server went down while the call was under way.", "it is not known whether it took effect"),
        pytest.param(False, "The server is stopping.", '"action": "cancel"', marks=pytest.mark.exhaustive),
    ],
)
async def test_question_does_not_outlive_its_process(
    model: ScriptedModel, tmp_path: Path, killed: bool, reason: str, result: str
) -> None:
    settings = build_desk(tmp_path, model.base_url)
    more = {"MCP_SERVERS": str(settings.mcp_servers), "TOOL_POLICIES_FILE": str(settings.tool_policies_file)}
    environment = build_environment(tmp_path, OPENAI_BASE_URL=model.base_url, DEFAULT_MODEL="scripted", **more)
    async with serving(environment) as first, first.client() as ann:
        await hire(ann)
        run = await ask(ann, model, f"who outlives {killed}?")
        question = await asked(ann)
        await (first.kill() if killed else first.stop())
    async with serving(environment) as second, second.client() as ann:
        assert result in await result_of(ann, run)
        closed = (await ann.get(f"/v1/approvals/{question['id']}")).json()
        assert (closed["status"], closed["reason"], closed["resolved_by"]) == ("expired", reason, "open-agent")
        late = await ann.post(f"/v1/approvals/{question['id']}", json={"decision": "reject"})
        assert (late.status_code, late.json()["code"]) == (409, "approval_expired")
