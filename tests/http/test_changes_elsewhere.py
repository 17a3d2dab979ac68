"""What another process changes in the database holds here too, for the next call and without a restart."""

import asyncio
import json
import sys
from pathlib import Path

import httpx
import pytest

from config.checkout import CHECKOUT
from tests.http.serving import ADMIN_KEY, Json, build_settings, open_served
from tests.support.scripted_model import ScriptedModel
from tests.support.waiting import until

CALCULATOR = {"command": "${PYTHON}", "args": ["-I", "-m", "mcp_server_calculator"]}
ARGUMENTS: Json = {"arguments": {"expression": "1+1"}}


async def verdict(admin: httpx.AsyncClient, **who: str) -> Json:
    answer = await admin.post("/v1/tools/calculator__calculate/check", json={**ARGUMENTS, **who})
    said: Json = answer.raise_for_status().json()
    return said


@pytest.mark.slow
async def test_policies_and_agents_changed_by_another_process_are_live(
    scripted_model: ScriptedModel, tmp_path: Path
) -> None:
    servers = json.dumps({"mcpServers": {"calculator": CALCULATOR}})
    settings = build_settings(tmp_path, scripted_model.base_url, mcp_servers=servers)
    closed = {
        "rules": [{"match": "*", "verdict": "allow"}, {"match": "calculator__*", "users": ["ann"], "verdict": "deny"}]
    }
    async with open_served(settings) as served, served.client(ADMIN_KEY) as admin:
        assert (await verdict(admin))["verdict"] == "allow"
        assert (await verdict(admin, agent="tool-agent", user="uma"))["verdict"] == "allow"
        other = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.other_process", settings.database_url, "tool-agent"),
            json.dumps(closed),
            cwd=CHECKOUT,
        )
        assert await other.wait() == 0

        async def is_denied() -> bool:
            return bool((await verdict(admin))["verdict"] == "deny")

        await until(is_denied)
        assert (await admin.get("/v1/policies")).json()["version"] == 1
        refused = await admin.post("/v1/tools/calculator__calculate/invoke", json=ARGUMENTS)
        assert (refused.status_code, refused.json()["code"]) == (403, "denied_by_policy")
        assert (await verdict(admin, agent="tool-agent", user="uma"))["verdict"] == "deny"
