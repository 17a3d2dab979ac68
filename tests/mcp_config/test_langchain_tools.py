"""The same tools for LangChain users: they take the governed path too."""

from langchain_core.messages import ToolMessage

from config.policies import Rule, ToolPolicies
from mcp_config.langchain_tools import build_langchain_tools
from tests.mcp_config.rig import chaos, open_rig


async def test_langchain_tool_calls_the_server_and_is_written_down() -> None:
    async with open_rig(chaos("well")) as rig:
        tools = {tool.name: tool for tool in build_langchain_tools(rig.registry, rig.caller, ledger=rig.ledger)}
        assert sorted(tools) == ["well__act", "well__count", "well__echo"]
        message = await tools["well__echo"].ainvoke(
            {"type": "tool_call", "id": "1", "name": "well__echo", "args": {"text": "hello"}}
        )
        assert isinstance(message, ToolMessage)
        assert (message.text, message.status) == ("hello", "success")
        assert rig.ledger.entries == ["started well__echo", "ok well__echo"]


async def test_langchain_tool_is_governed_like_any_other_call() -> None:
    policies = ToolPolicies(rules=[Rule(match="well__count", verdict="deny", reason="not today")])
    async with open_rig(chaos("well"), policies=policies) as rig:
        (tool,) = build_langchain_tools(rig.registry, rig.caller, ["well__count"])
        message = await tool.ainvoke({"type": "tool_call", "id": "1", "name": tool.name, "args": {}})
        assert isinstance(message, ToolMessage)
        assert message.status == "error"
        assert "not today" in message.text
