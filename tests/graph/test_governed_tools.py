"""A run on the real registry and a real MCP server: what the graph asks for takes the governed path."""

import json
import sys

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from config.policies import Rule, ToolPolicies
from graph.events import ToolCallResult
from mcp_config.entries.servers_file import build_servers
from mcp_config.registry import open_registry
from tests.graph.conftest import Stage
from tests.graph.laws import check_laws
from tests.support.scripted_model import Replies, has_result, says

TIME = {"time": {"command": sys.executable, "args": ["-I", "-m", "mcp_server_time", "--local-timezone", "UTC"]}}

CONVERT = {"source_timezone": "Asia/Tokyo", "time": "12:00", "target_timezone": "Europe/Berlin"}


@pytest.mark.slow
async def test_call_waits_for_its_server_and_takes_the_governed_path(stage: Stage) -> None:
    stage.script.when(has_result("Asia/Tokyo"), Replies.text("It is noon in Tokyo."))
    stage.script.when(
        has_result("Correct the arguments"), Replies.tool("time__get_current_time", {"timezone": "Asia/Tokyo"})
    )
    stage.script.when(has_result("Go on without it"), Replies.tool("time__get_current_time", {"zone": "Asia/Tokyo"}))
    stage.script.when(says("tokyo"), Replies.tool("time__convert_time", CONVERT))
    policies = ToolPolicies(rules=[Rule(match="time__get_*", verdict="allow")])
    servers = build_servers("MCP_SERVERS", json.dumps({"mcpServers": TIME}), {})
    keeper = stage.keeper("What time is it in Tokyo?", "clock")

    async with open_registry(servers, policies, stage.agents.get) as tools:
        await keeper.keep(stage.runner(tools, InMemorySaver()))

    assert "Waiting for the time server to start" in keeper.deltas("reasoning")
    results = [event for event in keeper.log if isinstance(event, ToolCallResult)]
    assert [(result.tool, result.status) for result in results] == [
        ("time__convert_time", "denied"),
        ("time__get_current_time", "error"),
        ("time__get_current_time", "ok"),
    ]
    assert keeper.deltas() == "It is noon in Tokyo."
    check_laws(keeper.log)
