"""An SDK client session that hears what its server says on its own: logs, changes, and questions to clients.

The SDK would answer a question inside its receive loop, and so let all calls wait for one person's answer.
"""

import asyncio
import contextlib
from types import TracebackType
from typing import Final, Self

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp import ClientSession, types
from mcp.shared.context import RequestContext
from mcp.shared.message import SessionMessage
from mcp.shared.session import RequestResponder
from pydantic import ValidationError
from typing_extensions import override

from mcp_config.errors import ServerLost, ToolError
from mcp_config.talkback import Changed, Ears, Params, Updated

_Question = RequestResponder[types.ServerRequest, types.ClientResult]
_MAX_QUESTIONS: Final = 16
"""Open at the same time; a server that asks more is declined."""
_DECLINED: Final[Params] = {"action": "decline"}


class HearingSession(ClientSession):
    def __init__(
        self,
        received: MemoryObjectReceiveStream[SessionMessage | Exception],
        sent: MemoryObjectSendStream[SessionMessage],
        lost: asyncio.Future[ToolError],
        ears: Ears,
    ) -> None:
        super().__init__(
            received,
            sent,
            # never called: they are how the SDK is told which abilities to declare
            elicitation_callback=_answered_elsewhere,
            sampling_callback=_answered_elsewhere if ears.samples else None,
            logging_callback=self._on_log,
            message_handler=self._on_message,
        )
        self._lost, self._ears = lost, ears
        self._answers: set[asyncio.Task[None]] = set()

    @override
    async def __aenter__(self) -> Self:
        await super().__aenter__()
        return self

    @override
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        for answer in self._answers:
            answer.cancel()
        await asyncio.gather(*self._answers, return_exceptions=True)
        return await super().__aexit__(kind, error, trace)

    @override
    async def _received_request(self, responder: _Question) -> None:
        match responder.request.root:
            case types.ElicitRequest() | types.CreateMessageRequest() | types.ListRootsRequest():
                pass  # left open: it comes to `_on_message`
            case _:
                await super()._received_request(responder)

    async def _on_message(self, message: _Question | types.ServerNotification | Exception) -> None:
        match message:
            case RequestResponder():
                task = asyncio.create_task(self._answer(message))
                self._answers.add(task)
                task.add_done_callback(self._answers.discard)
            case types.ServerNotification(root=types.ToolListChangedNotification()):
                self._ears.notice(Changed("tools"))
            case types.ServerNotification(root=types.ResourceListChangedNotification()):
                self._ears.notice(Changed("resources"))
            case types.ServerNotification(root=types.PromptListChangedNotification()):
                self._ears.notice(Changed("prompts"))
            case types.ServerNotification(root=types.ResourceUpdatedNotification(params=params)):
                self._ears.notice(Updated(str(params.uri)))
            case ValueError():  # over HTTP: an answer of a wrong kind, for which its caller would wait in vain
                if not self._lost.done():
                    self._lost.set_result(ServerLost(f"the server's answer is no MCP message: {_first_line(message)}"))
            case _:
                pass

    async def _on_log(self, params: types.LoggingMessageNotificationParams) -> None:
        if client := self._ears.board.only:
            client.logged(params.model_dump(mode="json", by_alias=True, exclude_none=True))

    async def _answer(self, question: _Question) -> None:
        with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError), question:
            await question.respond(await self._find_answer(question.request))

    async def _find_answer(self, request: types.ServerRequest) -> types.ClientResult | types.ErrorData:
        client = self._ears.board.only if len(self._answers) <= _MAX_QUESTIONS else None
        asked = request.root
        params: Params = asked.params.model_dump(mode="json", by_alias=True, exclude_none=True) if asked.params else {}
        match asked:
            case types.ElicitRequest():
                answer = await client.elicit(params) if client else None
                return _result(answer or _DECLINED)
            case types.CreateMessageRequest() if client and (said := await client.sample(params)):
                return _result(said)
            case types.ListRootsRequest():
                return types.ErrorData(code=types.INVALID_REQUEST, message="Roots are not supported here.")
            case _:
                return types.ErrorData(code=types.INVALID_REQUEST, message="Sampling is not supported here.")


def _result(answer: Params) -> types.ClientResult:
    # as it came from the client, who answers for its shape: results may hold anything
    return types.ClientResult(types.EmptyResult.model_validate(answer))


async def _answered_elsewhere(context: RequestContext[ClientSession, None], params: object) -> types.ErrorData:
    del context, params
    return types.ErrorData(code=types.INVALID_REQUEST, message="Not supported here.")


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "does not answer as an MCP server should"
    return str(error).partition("\n")[0] or type(error).__name__
