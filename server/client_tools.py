"""The part of the client that is about tools: what there is, calls by hand, definitions, servers and logins to them."""

from collections.abc import Mapping
from http.client import ACCEPTED
from urllib.parse import quote

from pydantic import JsonValue

from server.client_errors import ClientError, parsed
from server.client_transport import JsonObject, Transport
from server.resources.approvals import Approval
from server.resources.mcp_servers import McpServer, StartedLogin
from server.resources.pages import Page
from server.resources.runs import ToolCall
from server.resources.tools import Check, Tool, ToolChange


class ToolClient(Transport):
    async def tools(self) -> list[Tool]:
        """Returns the tools of the servers that are up now."""
        return [tool async for tool in self.all_of(Page[Tool], "/v1/tools")]

    async def get_tool(self, name: str) -> Tool:
        return await self.send(Tool, "GET", f"/v1/tools/{name}")

    async def tool_changes(self) -> list[ToolChange]:
        """Returns the definitions of tools that nobody has approved (admins only)."""
        return [change async for change in self.all_of(Page[ToolChange], "/v1/tools/changes")]

    async def approve_tool(self, tool: str, sha256: str | None = None) -> ToolChange:
        """Approves a tool's definition, if it is still the one with this hash (admins only)."""
        return await self.send(ToolChange, "POST", f"/v1/tools/{tool}/approve", {"sha256": sha256})

    async def invoke(self, tool: str, arguments: Mapping[str, JsonValue] | None = None) -> ToolCall:
        """Calls a tool by hand (admins only), down the path that agents' calls take: schema, policy, deadline."""
        body: JsonObject = {"arguments": dict(arguments or {})}
        answer = await self.exchange("POST", f"/v1/tools/{tool}/invoke", body)
        if answer.status_code == ACCEPTED:
            waiting = parsed(Approval.model_validate_json, answer.content)
            detail = f"{tool} waits for approval ({waiting.rule}): open-agent approvals approve {waiting.id}"
            if waiting.kind == "question":
                detail = f"{tool} asks something and waits for it: open-agent approvals answer {waiting.id}"
            raise ClientError(ACCEPTED, "approval_required", detail)
        return parsed(ToolCall.model_validate_json, answer.content)

    async def mcp_servers(self) -> list[McpServer]:
        """Returns the configured tool servers: how they are, and how the logins to them stand."""
        return [server async for server in self.all_of(Page[McpServer], "/v1/mcp/servers")]

    async def get_mcp_server(self, name: str, *, shared: bool = False) -> McpServer:
        return await self.send(McpServer, "GET", f"/v1/mcp/servers/{quote(name)}?shared={str(shared).lower()}")

    async def log_in(self, server: str, *, shared: bool = False) -> StartedLogin:
        """Begins a login: a person opens the address that this returns, within ten minutes."""
        return await self.send(StartedLogin, "POST", f"/v1/mcp/servers/{quote(server)}/login", {"shared": shared})

    async def log_out(self, server: str, *, shared: bool = False) -> None:
        await self.exchange("DELETE", f"/v1/mcp/servers/{quote(server)}/login", query={"shared": str(shared).lower()})

    async def check(self, tool: str, question: Mapping[str, JsonValue]) -> Check:
        """Says what would become of a call: `question` may hold `arguments`, `agent`, `user`, `role` and `read`."""
        body: JsonObject = {name: value for name, value in question.items() if value is not None}
        return await self.send(Check, "POST", f"/v1/tools/{tool}/check", body)
