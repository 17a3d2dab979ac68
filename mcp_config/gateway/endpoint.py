"""One address of the gateway as an MCP server of the SDK: which requests it answers, and what it says it can do."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

import anyio
from mcp import types
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.server.session import ServerSession
from typing_extensions import override

from mcp_config.gateway.calling import Duties, Tools
from mcp_config.gateway.face import Face
from mcp_config.gateway.passing import Passing
from mcp_config.gateway.visit import Answer, Sessions, answered
from mcp_config.talkback import Notice, Updated

_TELL_SECONDS: Final = 5.0


class Endpoint(Server[Any, Any]):  # Any: the SDK's types for its lifespan's value and its transport's request
    def __init__(self, face: Face, duties: Duties, version: str, everywhere: list[Sessions]) -> None:
        super().__init__(face.server or "open-agent", version)
        self.face, self._sessions = face, Sessions(everywhere=everywhere)
        self._telling: set[asyncio.Task[None]] = set()
        tools, passing = Tools(face, self._sessions, duties), Passing(face, self._sessions, duties)
        answers: dict[type, Answer] = {
            types.ListToolsRequest: tools.list,
            types.CallToolRequest: tools.call,
            types.ListResourcesRequest: passing.list_resources,
            types.ListResourceTemplatesRequest: passing.list_templates,
            types.ReadResourceRequest: passing.read_resource,
            types.SubscribeRequest: passing.subscribe,
            types.UnsubscribeRequest: passing.unsubscribe,
            types.ListPromptsRequest: passing.list_prompts,
            types.GetPromptRequest: passing.get_prompt,
            types.CompleteRequest: passing.complete,
            types.SetLevelRequest: passing.set_level,
        }
        # assigned, not decorated: the SDK's decorators validate again and show clients the text of any exception
        self.request_handlers |= {
            kind: answered(self, self._sessions, duties.redactor, answer) for kind, answer in answers.items()
        }

    @override
    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
    ) -> InitializationOptions:
        options = super().create_initialization_options(notification_options, experimental_capabilities)
        return options.model_copy(update={"capabilities": self._abilities()})

    def _abilities(self) -> types.ServerCapabilities:
        """Returns what the servers behind can do, as far as they are up."""
        offers = [connection.offers for connection in self.face.connections]
        everything = self.face.server is None
        has = {ability: any(ability in each for each in offers) for ability in ("resources", "prompts", "completions")}
        subscribe = any(isinstance(r := each.get("resources"), dict) and r.get("subscribe") for each in offers)
        return types.ServerCapabilities(
            tools=types.ToolsCapability(listChanged=True),
            resources=types.ResourcesCapability(subscribe=subscribe, listChanged=True) if has["resources"] else None,
            prompts=types.PromptsCapability(listChanged=True) if has["prompts"] else None,
            completions=types.CompletionsCapability() if has["completions"] else None,
            logging=types.LoggingCapability() if everything or any("logging" in each for each in offers) else None,
        )

    # ------------------------------------------------------------------ telling its clients
    def tools_changed(self) -> None:
        self._tell(list(self._sessions.levels), lambda session: session.send_tool_list_changed())

    def notice(self, notice: Notice) -> None:
        match notice:
            case Updated(uri=uri):
                changed = types.ResourceUpdatedNotification.model_validate({"params": {"uri": uri}})
                told = types.ServerNotification(changed)
                self._tell(self._sessions.wanting(uri), lambda session: session.send_notification(told))
            case _ if notice.kind == "resources":
                self._tell(list(self._sessions.levels), lambda session: session.send_resource_list_changed())
            case _:
                self._tell(list(self._sessions.levels), lambda session: session.send_prompt_list_changed())

    def _tell(self, sessions: list[ServerSession], send: Callable[[ServerSession], Awaitable[None]]) -> None:
        for session in sessions:
            task = asyncio.create_task(_told(send, session))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)


async def _told(send: Callable[[ServerSession], Awaitable[None]], session: ServerSession) -> None:
    # one that reads nothing must not hold what it is not told
    with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError, TimeoutError):
        async with asyncio.timeout(_TELL_SECONDS):
            await send(session)
