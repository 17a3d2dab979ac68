"""What is seen through one address of the gateway: all servers with prefixed names, or one of them as it is."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from mcp_config.errors import RemoteError
from mcp_config.names import build_tool_name
from mcp_config.registry import ToolRegistry
from mcp_config.tools import JsonObject, ToolSpec
from mcp_config.upstream.connection import Connection

_MAX_PAGES: Final = 50
_SETTLE_SECONDS: Final = 10.0
"""So long a client that comes while servers start waits for them, rather than be shown half of the tools."""
_MAX_URI: Final = 2048
_EXPRESSION: Final = re.compile(r"\{[^{}]*\}")
_NO_SUCH_RESOURCE: Final = -32002


class UnknownServer(LookupError):
    """No server of this name is configured."""


@dataclass(frozen=True)
class Face:
    registry: ToolRegistry
    server: str | None = None
    """The one server that is shown; None shows all."""

    @property
    def connections(self) -> list[Connection]:
        return [c for c in self.registry.connections if self.server in (None, c.config.name)]

    async def settled(self) -> None:
        """Waits a while for servers that are starting."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(_SETTLE_SECONDS, self.registry.deadlines.start)):
                for connection in self.connections:
                    await connection.settled()

    def offering(self, ability: str) -> list[Connection]:
        """Returns the servers that declare the ability, such as `prompts`."""
        return [connection for connection in self.connections if ability in connection.offers]

    # ------------------------------------------------------------------ tools
    def specs(self) -> list[ToolSpec]:
        return [spec for spec in self.registry.all() if self.server in (None, spec.server)]

    def shown_name(self, spec: ToolSpec) -> str:
        return spec.name if self.server is None else spec.original_name

    def governed_name(self, shown: str) -> str:
        """Returns what the registry calls a tool; a name that is none stays, and is refused there."""
        if self.server is None:
            return shown
        own = (spec.name for spec in self.specs() if spec.original_name == shown)
        aside = (name for name in self._names(shown) if self.registry.quarantine.find(name))
        return next(own, next(aside, f"{self.server}/{shown}"))

    def _names(self, shown: str) -> list[str]:
        """Returns what the one server's tool would be called, were it offered."""
        return [build_tool_name(one.config.prefix, one.config.name, shown) for one in self.connections]

    # ------------------------------------------------------------------ prompts and resources
    def shown_prompt(self, connection: Connection, name: str) -> str:
        return (
            name if self.server is not None else build_tool_name(connection.config.prefix, connection.config.name, name)
        )

    async def find_prompt(self, shown: str) -> tuple[Connection, str] | None:
        """Returns the server that has the prompt, and what it calls it itself."""
        if self.server is not None:
            return (self.connections[0], shown)
        for connection in self.offering("prompts"):
            async for prompt in self.entries(connection, "prompts/list", "prompts"):
                if self.shown_prompt(connection, str(prompt.get("name"))) == shown:
                    return (connection, str(prompt.get("name")))
        return None

    async def get_home(self, uri: str) -> Connection:
        """Returns the server whose resource this is: the first that lists it, or that has a template for it.

        Raises:
            RemoteError: none has it.
        """
        if self.server is not None:
            return self.connections[0]
        for connection in self.offering("resources"):
            async for resource in self.entries(connection, "resources/list", "resources"):
                if resource.get("uri") == uri:
                    return connection
        for connection in self.offering("resources"):
            async for template in self.entries(connection, "resources/templates/list", "resourceTemplates"):
                if _fits(uri, str(template.get("uriTemplate"))):
                    return connection
        raise RemoteError(f"There is no resource {uri[:200]!r}.", _NO_SUCH_RESOURCE)

    async def entries(self, connection: Connection, method: str, key: str) -> AsyncIterator[JsonObject]:
        """Yields all that a server lists, page by page."""
        params: JsonObject = {}
        for _ in range(_MAX_PAGES):
            page = await connection.request(method, params, self.registry.deadlines.call)
            for entry in _objects(page.get(key)):
                yield entry
            following = page.get("nextCursor")
            if not isinstance(following, str) or following == params.get("cursor"):
                return
            params = {"cursor": following}


def _objects(value: JsonValue) -> list[JsonObject]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _fits(uri: str, template: str) -> bool:
    """Tells whether the template (RFC 6570) could have made the URI: its fixed parts stand there in their order."""
    if len(uri) > _MAX_URI or len(template) > _MAX_URI:
        return False
    first, *parts = _EXPRESSION.split(template)
    if not uri.startswith(first) or not parts:
        return uri == template
    place = len(first)
    for part in parts[:-1]:
        found = uri.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    return len(uri) - place >= len(parts[-1]) and uri.endswith(parts[-1])
