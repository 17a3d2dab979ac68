"""What is passed on beside tools: resources, prompts, completion, log levels. Lists are free, reading is governed."""

from typing import Final, cast

from mcp import McpError, types
from pydantic import JsonValue

from config.ids import new_id
from mcp_config.definitions.presentation import clean_words
from mcp_config.errors import ToolError
from mcp_config.gateway.calling import Duties
from mcp_config.gateway.client import Context, open_client
from mcp_config.gateway.face import Face
from mcp_config.gateway.visit import Sessions, build_answer, build_error, caller_of, refuse
from mcp_config.tools import JsonObject, ToolCall, ToolResult
from mcp_config.upstream.connection import Connection

_LEVEL: Final = "level"


class Passing:
    def __init__(self, face: Face, sessions: Sessions, duties: Duties) -> None:
        self._face, self._sessions, self._duties = face, sessions, duties

    # ------------------------------------------------------------------ lists
    async def list_resources(self, request: types.ListResourcesRequest, context: Context) -> types.ServerResult:
        return await self._list("resources/list", "resources", "resources", request.params)

    async def list_templates(self, request: types.ListResourceTemplatesRequest, context: Context) -> types.ServerResult:
        return await self._list("resources/templates/list", "resources", "resourceTemplates", request.params)

    async def list_prompts(self, request: types.ListPromptsRequest, context: Context) -> types.ServerResult:
        return await self._list("prompts/list", "prompts", "prompts", request.params)

    async def _list(
        self, method: str, ability: str, key: str, params: types.PaginatedRequestParams | None
    ) -> types.ServerResult:
        await self._face.settled()
        if self._face.server is not None:  # its own pages
            return self._listed(await self._ask(self._face.connections[0], method, _plain(params)))
        found: list[JsonValue] = []
        for connection in self._face.offering(ability):
            try:
                found += [
                    _renamed(entry, self._face, connection) if key == "prompts" else entry
                    async for entry in self._face.entries(connection, method, key)
                ]
            except ToolError:
                continue  # a sick server takes nothing from the others
        return self._listed({key: found})

    def _listed(self, raw: JsonObject) -> types.ServerResult:
        """What a server says of its resources and prompts may hold its own secrets, and what nobody sees."""
        return build_answer(cast(JsonObject, self._duties.redactor.value(clean_words(raw))))

    # ------------------------------------------------------------------ reading
    async def read_resource(self, request: types.ReadResourceRequest, context: Context) -> types.ServerResult:
        home = await self._face.get_home(uri := str(request.params.uri))
        return build_answer(await self._governed(home, "resources/read", {"uri": uri}, context))

    async def get_prompt(self, request: types.GetPromptRequest, context: Context) -> types.ServerResult:
        if (found := await self._face.find_prompt(request.params.name)) is None:
            raise McpError(types.ErrorData(code=types.INVALID_PARAMS, message="There is no such prompt."))
        home, name = found
        params: JsonObject = {"name": name, "arguments": dict(request.params.arguments or {})}
        return build_answer(await self._governed(home, "prompts/get", params, context))

    async def complete(self, request: types.CompleteRequest, context: Context) -> types.ServerResult:
        params = _plain(request.params)
        reference = request.params.ref
        if isinstance(reference, types.PromptReference):
            if (found := await self._face.find_prompt(reference.name)) is None:
                raise McpError(types.ErrorData(code=types.INVALID_PARAMS, message="There is no such prompt."))
            home, name = found
            params["ref"] = {"type": "ref/prompt", "name": name}
        else:
            home = await self._home_of_template(reference.uri)
        return build_answer(await self._governed(home, "completion/complete", params, context))

    async def _home_of_template(self, template: str) -> Connection:
        for connection in self._face.offering("resources") if self._face.server is None else ():
            async for entry in self._face.entries(connection, "resources/templates/list", "resourceTemplates"):
                if entry.get("uriTemplate") == template:
                    return connection
        return await self._face.get_home(template)

    # ------------------------------------------------------------------ subscriptions and levels
    async def subscribe(self, request: types.SubscribeRequest, context: Context) -> types.ServerResult:
        home = await self._face.get_home(uri := str(request.params.uri))
        if home.config.per_user:  # whose session would be told?
            message = (
                "This server knows each user by a credential or login; changes of its resources are not passed on."
            )
            raise McpError(types.ErrorData(code=types.INVALID_PARAMS, message=message))
        raw = await self._governed(home, "resources/subscribe", {"uri": uri}, context)
        home.standing[uri] = ("resources/subscribe", {"uri": uri})
        self._sessions.subscribed.setdefault(context.session, set()).add(uri)
        return build_answer(raw)

    async def unsubscribe(self, request: types.UnsubscribeRequest, context: Context) -> types.ServerResult:
        uri = str(request.params.uri)
        own = self._sessions.subscribed.get(context.session, set())
        if uri not in own:  # it is others' then, or nobody's
            return build_answer({})
        own.discard(uri)
        if self._sessions.is_wanted(uri):
            return build_answer({})
        home = await self._face.get_home(uri)
        home.standing.pop(uri, None)
        return build_answer(await self._ask(home, "resources/unsubscribe", {"uri": uri}))

    async def set_level(self, request: types.SetLevelRequest, context: Context) -> types.ServerResult:
        """A server has one level for all: the finest that somebody wants. What is too fine for others ends here."""
        self._sessions.levels[context.session] = request.params.level
        wanted: JsonObject = {"level": self._sessions.finest_level()}
        for connection in self._face.offering("logging"):
            connection.standing[_LEVEL] = ("logging/setLevel", wanted)
            try:
                await self._ask(connection, "logging/setLevel", wanted)
            except ToolError:
                continue
        return build_answer({})

    # ------------------------------------------------------------------ the ways to a server
    async def _ask(self, connection: Connection, method: str, params: JsonObject) -> JsonObject:
        return await connection.request(method, params, self._seconds)

    async def _governed(self, connection: Connection, method: str, params: JsonObject, context: Context) -> JsonObject:
        """Asks down the governed path; rules know it as `server__resources/read` and the like.

        Raises:
            McpError: it was not let through, or the server answered with an error.
        """
        prefix = connection.config.prefix
        call = ToolCall(new_id("call"), f"{prefix}__{method}" if prefix else method, params, caller_of(context))
        failure: ToolError | None = None
        sessions = self._face.registry.sessions

        async def act(request: ToolCall) -> ToolResult:
            nonlocal failure
            config = connection.config
            try:
                level, redactor = self._sessions.level(context.session), self._duties.redactor
                async with (
                    open_client(context, level, redactor, samples=False, patience=self._duties.patience) as client,
                    sessions.join(connection, request.caller.owner) as joined,
                ):
                    config = joined.connection.config
                    raw = await joined.connection.request(method, request.arguments, self._seconds, client)
                    answer = joined.redactor.value(raw) if joined.redactor else raw
            except ToolError as error:
                failure = error
                return ToolResult(error.status, config.without_secrets(str(error)), error.code)
            return ToolResult("ok", f"[answer to {method}]", structured=answer)

        result = await self._face.registry.reach(call, self._duties.ledger, act)
        if failure is not None:
            raise build_error(failure, result.content)
        if result.status != "ok" or not isinstance(result.structured, dict):
            raise refuse(result)
        return result.structured

    @property
    def _seconds(self) -> float:
        return self._face.registry.deadlines.call


def _plain(params: types.PaginatedRequestParams | types.CompleteRequestParams | None) -> JsonObject:
    return params.model_dump(mode="json", by_alias=True, exclude_none=True) if params else {}


def _renamed(entry: JsonObject, face: Face, connection: Connection) -> JsonObject:
    return {**entry, "name": face.shown_prompt(connection, str(entry.get("name")))}
