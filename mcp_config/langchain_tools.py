"""The governed tools for LangChain agents and graphs that are not ours: each call takes the path of all others."""

from collections.abc import Sequence

from langchain_core.tools import BaseTool
from langchain_mcp_adapters.interceptors import MCPToolCallRequest
from langchain_mcp_adapters.sessions import StdioConnection
from langchain_mcp_adapters.tools import convert_mcp_tool_to_langchain_tool
from mcp import types

from config.ids import new_id
from mcp_config.tools import Caller, Ledger, ToolBox, ToolCall, ToolSpec, Unwritten


def build_langchain_tools(
    tools: ToolBox, caller: Caller, allowed: Sequence[str] = ("*",), ledger: Ledger | None = None
) -> list[BaseTool]:
    """Returns the tools that are there now and match one of the globs, to be called on behalf of the caller."""
    return [_build(tools, spec, caller, ledger or Unwritten()) for spec in tools.specs(allowed)]


def _build(tools: ToolBox, spec: ToolSpec, caller: Caller, ledger: Ledger) -> BaseTool:
    async def route(request: MCPToolCallRequest, handler: object) -> types.CallToolResult:
        del handler  # the adapters' own way, a new process for each call
        result = await tools.call(ToolCall(new_id("call"), spec.name, request.args, caller), ledger)
        structured = result.structured if isinstance(result.structured, dict) else None
        content = types.TextContent(type="text", text=result.content)
        return types.CallToolResult(content=[content], structuredContent=structured, isError=result.status != "ok")

    tool = types.Tool(name=spec.name, description=spec.description, inputSchema=spec.model_schema)
    nowhere = StdioConnection(transport="stdio", command="", args=[])
    return convert_mcp_tool_to_langchain_tool(None, tool, connection=nowhere, tool_interceptors=[route])
