"""What tool servers ask people while their calls wait. The wait is this process's alone: no restart outlives it, and
what is open then is closed at the next start. The answer goes to the server as it was given, and is shown redacted."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import structlog

from config.ids import new_id
from mcp_config.audit import Audit
from mcp_config.definitions.schema import ArgumentSchema
from mcp_config.tools import Answer, JsonObject, Question, ToolCall
from server.db.approvals import EXPIRY
from server.db.store import Store
from server.engine.audit import build_resolution
from server.engine.carrier import patiently
from server.errors import Conflict, Invalid, NotFound, Unavailable
from server.keys import Principal

T = TypeVar("T")
_DECLINED: Final = Answer("reject")
_GONE: Final = Answer("expire", reason="The call that asked has ended.")
_LOST: Final = Answer("expire", reason="The server went down while the call was under way.")
_STOPPING: Final = Answer("expire", reason="The server is stopping.")

_GRACE_SECONDS: Final = 60.0
_LAST_SECONDS: Final = 5.0

_log = structlog.stdlib.get_logger("server.engine")


@dataclass(frozen=True)
class _Open:
    """A question that a call waits with."""

    call: ToolCall
    schema: JsonObject
    said: asyncio.Future[Answer] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Questioning:
    """Satisfies `mcp_config.tools.People`."""

    def __init__(self, store: Store, audit: Audit, patience: float) -> None:
        """`patience` is how many seconds a person may take."""
        self._store, self._audit, self._patience = store, audit, patience
        self._open: dict[str, _Open] = {}
        self._asked: dict[str, asyncio.Future[str]] = {}
        """Who wants to know whether a call asks something, by call id."""
        self._tasks: set[asyncio.Task[Any]] = set()  # they return different things
        self._stopping = False

    async def answer(self, call: ToolCall, question: Question) -> Answer:
        if self._stopping:
            return _STOPPING
        approval_id, waiting = new_id("appr"), _Open(call, question.schema)
        self._open[approval_id] = waiting  # before anybody can see it, and answer
        putting = self._spawn(self._put(approval_id, call, question))
        try:
            if not await asyncio.shield(putting):
                return _DECLINED
            self._tell(call, approval_id)
            return await asyncio.wait_for(waiting.said, self._patience + _GRACE_SECONDS)
        except TimeoutError:  # the sweep that closes what is overdue could not tell
            return Answer("expire")
        except asyncio.CancelledError:
            self._spawn(self._close(putting, call.caller.owner, approval_id))
            raise
        finally:
            del self._open[approval_id]

    def watch(self, call_id: str) -> asyncio.Future[str]:
        """Returns what will be the id of the first question of a call; cancel it when that is of no interest more."""
        asked: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._asked[call_id] = asked
        asked.add_done_callback(lambda _: self._asked.pop(call_id, None))
        return asked

    async def check(self, owner: str, approval_id: str, answer: Answer) -> None:
        """Raises:
        NotFound: it is not there, or another owner's.
        Invalid: the answer is not what was asked for.
        Conflict: it was answered before, or no call waits for it any more.
        """
        waiting = self._open.get(approval_id)
        if waiting is None or waiting.call.caller.owner != owner:
            await self._store.approvals.resolve(owner, approval_id, _GONE, EXPIRY)
            raise Conflict("approval_expired", "The call that asked has ended; nobody waits for the answer.")
        match answer.decision:
            case "approve":
                await _check_fields(waiting.schema, {}, "/decision")
            case "edit":
                await _check_fields(waiting.schema, answer.arguments or {}, "/arguments")
            case "reject" | "expire":
                pass

    def give(self, approval_id: str, answer: Answer) -> None:
        """Hands the answer to the call that waits for it. It is durable by now, and counts once."""
        waiting = self._open.get(approval_id)
        if waiting and not waiting.said.done():
            waiting.said.set_result(answer)

    def stop(self) -> None:
        """Closes what is open, so that calls come to an end of their own: the server begins to stop."""
        self._stopping = True
        for approval_id, waiting in self._open.items():
            self._spawn(self._end(waiting.call.caller.owner, approval_id, _STOPPING))

    async def close_lost(self) -> None:
        """Closes the questions of calls that a process had under way when it died. The ledger says how those end."""
        for owner, approval_id in await self._store.questions.find_open():
            await self._end(owner, approval_id, _LOST)

    async def settled(self) -> None:
        """Returns once nothing more is to be written down; what cannot be now is at the next start."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_LAST_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _put(self, approval_id: str, call: ToolCall, question: Question) -> bool:
        asked: JsonObject = {"message": question.message, "requestedSchema": question.shown}
        try:
            return await self._store.questions.put(approval_id, call, asked)
        except Unavailable as error:
            _log.warning("database unavailable; a server's question is declined", detail=str(error), call_id=call.id)
            return False

    def _tell(self, call: ToolCall, approval_id: str) -> None:
        if asked := self._asked.get(call.id):
            asked.set_result(approval_id)
        if call.client is not None:
            words = f"{call.tool} asks something. It waits for an answer at POST /v1/approvals/{approval_id}."
            call.client.logged({"level": "warning", "logger": "open-agent", "data": words})

    async def _close(self, putting: asyncio.Task[bool], owner: str, approval_id: str) -> None:
        if await putting:
            await self._end(owner, approval_id, _GONE)

    async def _end(self, owner: str, approval_id: str, answer: Answer) -> None:
        with suppress(Conflict, NotFound):  # it was answered meanwhile, or has ended with its run
            call = await patiently(self._store.approvals.find_call, owner, approval_id, to_make=False)
            settled = await patiently(self._store.approvals.resolve, owner, approval_id, answer, EXPIRY)
            self.give(approval_id, answer)
            await self._audit.record(build_resolution(Principal(owner, call.caller.role), settled.approval))

    def _spawn(self, work: Coroutine[None, None, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _check_fields(schema: JsonObject, content: JsonObject, place: str) -> None:
    """Raises: Invalid."""
    wanted = ArgumentSchema(schema)
    if wrong := await wanted.find_complaint(content):
        if place == "/decision":
            how = 'send {"decision": "edit", "arguments": {…}} with what `requestedSchema` asks for'
            raise Invalid("answer_required", f"It wants more than a yes ({wrong}); {how}.", pointer=place)
        where = place + await wanted.find_pointer(content)
        raise Invalid("invalid_answer", f"This does not answer it: {wrong}.", pointer=where)


@asynccontextmanager
async def open_questioning(store: Store, audit: Audit, patience: float) -> AsyncIterator[Questioning]:
    """Yields what puts questions; what a process before this one left open is closed first."""
    questioning = Questioning(store, audit, patience)
    await questioning.close_lost()
    try:
        yield questioning
    finally:
        await questioning.settled()
