"""An MCP server over HTTP that keeps the protocol until `act` is called, and then answers as it is told to.

It runs in the test's own loop and remembers the requests it saw.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, object]
TOOLS = [{"name": name, "description": name, "inputSchema": {"type": "object"}} for name in ("echo", "act")]


def http(status: str, *headers: str, body: bytes = b"") -> bytes:
    """Returns a whole answer; the connection ends with it."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


def cut_stream() -> bytes:
    """Returns the beginning of an event stream that ends in the middle."""
    head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    return f'{head}event: message\r\ndata: {{"jsonrpc": "2.0", "id'.encode()


@dataclass
class ChaosHttp:
    """What the server does when `act` is called; and, from its first request on, where `refusal` says how."""

    act: bytes = b""
    refusal: bytes | None = None
    reports: int | None = None
    """How often a call reports progress, every tenth of a second, before it is silent; `act` is then unused."""
    port: int = 0
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Method or HTTP verb, and headers, of each request."""
    session: int = 1
    """The one session that it knows; it answers 404 to a request of another."""
    calls: list[str] = field(default_factory=list)
    """The tools that were called, without the calls that it took no notice of."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {key.lower(): value for key, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            request = json.loads(body) if body else {}
            if self.reports is not None and _is_act(request):
                await self._report(request, writer, self.reports)
                await reader.read()  # silent until the client hangs up
            else:
                writer.write(self._answer(head[0].split()[0], request, headers))
            await writer.drain()
        writer.close()

    def _answer(self, verb: str, request: Json, headers: dict[str, str]) -> bytes:
        method = str(request.get("method", verb))
        self.seen.append((method, headers))
        if self.refusal is not None:
            return self.refusal
        if verb != "POST":
            return http("405 Method Not Allowed")
        if method != "initialize" and headers.get("mcp-session-id") != str(self.session):
            return http("404 Not Found")
        params = request.get("params")
        if method == "tools/call" and isinstance(params, dict):
            self.calls.append(str(params["name"]))
            if params["name"] == "act":
                return self.act
        result = _result(method)
        if result is None:
            return http("202 Accepted")
        answer = json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode()
        return http("200 OK", "Content-Type: application/json", f"Mcp-Session-Id: {self.session}", body=answer)

    async def _report(self, request: Json, writer: asyncio.StreamWriter, times: int) -> None:
        params: Any = request["params"]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        for done in range(times):
            told = {"progressToken": params["_meta"]["progressToken"], "progress": done}
            message = json.dumps({"jsonrpc": "2.0", "method": "notifications/progress", "params": told})
            writer.write(f"event: message\ndata: {message}\n\n".encode())
            await writer.drain()
            await asyncio.sleep(0.1)


def _is_act(request: Json) -> bool:
    params = request.get("params")
    return request.get("method") == "tools/call" and isinstance(params, dict) and params["name"] == "act"


def _result(method: str) -> Json | None:
    match method:
        case "initialize":
            server = {"name": "chaos", "version": "1"}
            return {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": server}
        case "tools/list":
            return {"tools": TOOLS}
        case "tools/call":
            return {"content": [{"type": "text", "text": "echoed"}]}
        case _:
            return {} if method == "ping" else None


@contextlib.asynccontextmanager
async def open_chaos_http(chaos: ChaosHttp) -> AsyncIterator[ChaosHttp]:
    server = await asyncio.start_server(chaos.serve, "127.0.0.1", 0)
    async with server:
        chaos.port = server.sockets[0].getsockname()[1]
        yield chaos
