"""Answers of people to what policy asks about: taken once, and acted on. Questions that nobody answers expire.

The calls of a run are made by the run, which goes on; a call that was made by hand is made here, when it is approved.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar, assert_never

import structlog

from mcp_config.audit import Audit
from mcp_config.calls.approval import Complaint
from mcp_config.inventory import UnknownTool
from mcp_config.registry import ToolRegistry
from mcp_config.tools import Answer, Ledger, ToolCall, ToolResult
from server.db.approvals import EXPIRY, Settled
from server.db.store import Store
from server.engine.audit import build_resolution
from server.engine.engine import Engine
from server.engine.questions import Questioning
from server.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from server.keys import Principal
from server.resources.approvals import Approval, Resolution

T = TypeVar("T")
_LONGEST_PAUSE: Final = 30.0
"""Between two looks for what has expired."""

_log = structlog.stdlib.get_logger("server.engine")


@dataclass
class Question:
    """Asks about one call that no run makes. Satisfies `mcp_config.tools.Approvals`."""

    store: Store
    approval: Approval | None = None
    """The question, once it was put: then the call waits, and is not made now."""

    @property
    def approval_id(self) -> str | None:
        return self.approval.id if self.approval else None

    async def ask(self, call: ToolCall, rule: str) -> Answer | None:
        self.approval = await self.store.approvals.ask(call, rule)
        return None


@dataclass(frozen=True)
class _Given:
    """Stands for the person who has answered already."""

    answer: Answer

    async def ask(self, call: ToolCall, rule: str) -> Answer | None:
        del call, rule
        return self.answer


class Approving:
    def __init__(
        self,
        store: Store,
        engine: Engine,
        tools: ToolRegistry,
        ledger: Ledger,
        audit: Audit,
        questioning: Questioning,
    ) -> None:
        self._store, self._engine, self._tools, self._ledger, self._audit = store, engine, tools, ledger, audit
        self.questioning = questioning
        self._tasks: set[asyncio.Task[object]] = set()

    def question(self) -> Question:
        """Returns the port for one call by hand."""
        return Question(self._store)

    async def resolve(self, principal: Principal, approval_id: str, said: Resolution) -> Approval:
        """Takes the answer, and has done what it says.

        Raises:
            NotFound: it is not there, or another owner's.
            Forbidden: policy denies the call to who answers in a lesser role than it was made in.
            Invalid: the edited arguments do not fit the tool's schema, or policy denies them; or it is a question of
                a server, and this is no answer to it.
            Conflict: it was answered before, has expired, or its run has ended.
            Unavailable: the tool is not there now to judge edited arguments.
        """
        answer = Answer(said.decision, said.arguments, said.reason or "")
        call = await self._store.approvals.find_call(principal.name, approval_id, to_make=said.decision == "approve")
        if await self._store.questions.includes(approval_id):
            await self.questioning.check(principal.name, approval_id, answer)
        else:
            await self._judge(principal, call, answer)
        settled = await self._store.approvals.resolve(principal.name, approval_id, answer, principal.name)
        self._act(settled, call, answer)
        await self._record(principal, settled.approval)
        return settled.approval

    async def invoke(self, call: ToolCall) -> ToolResult | Approval:
        """Makes a call by hand, or returns what is asked of a person first: whether it may be made, or what its server
        asks meanwhile. Then the call goes on by itself when that is answered."""
        question = self.question()
        asked = self.questioning.watch(call.id)
        making = self._spawn(self._tools.call(call, self._ledger, question))
        waits: set[asyncio.Future[Any]] = {making, asked}  # they hold different things
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            making.cancel()
            raise
        finally:
            asked.cancel()
        if making.done():
            return question.approval or making.result()
        return await self._store.approvals.get(call.caller.owner, asked.result())

    async def expire(self) -> None:
        """Closes what nobody has answered in time: such a call is not made."""
        answer = Answer("expire")
        for owner, approval_id in await self._store.approvals.overdue():
            with suppress(Conflict, NotFound):  # somebody or something was quicker
                call = await self._store.approvals.find_call(owner, approval_id, to_make=False)
                settled = await self._store.approvals.resolve(owner, approval_id, answer, EXPIRY)
                self._act(settled, call, answer)
                await self._record(Principal(owner, call.caller.role), settled.approval)

    async def take_up(self) -> None:
        """Makes the calls by hand that were allowed and never begun: the process before this one ended too soon."""
        for call, answer in await self._store.approvals.unmade():
            self._spawn(self._make(call, answer))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _judge(self, principal: Principal, call: ToolCall, answer: Answer) -> None:
        meant = call if answer.arguments is None else replace(call, arguments=answer.arguments)
        if answer.decision != "reject" and principal.role not in ("admin", call.caller.role):
            await self._check_role(replace(meant, caller=replace(call.caller, role=principal.role)))
        if answer.arguments is not None:
            await self._check(meant)

    async def _check(self, edited: ToolCall) -> None:
        if complaint := await self._find_complaint(edited):
            raise Invalid(complaint.code, complaint.detail, pointer=f"/arguments{complaint.pointer}")

    async def _check_role(self, wanted: ToolCall) -> None:
        """An admin's pending call is no way for a service, or for another key of the name, to an admin's rights."""
        if complaint := await self._find_complaint(wanted):
            raise Forbidden(complaint.code, complaint.detail)

    async def _find_complaint(self, call: ToolCall) -> Complaint | None:
        try:
            return await self._tools.find_complaint(call)
        except UnknownTool as error:
            raise Unavailable("server_unavailable", f"The tool {call.tool} is not there now; try later.") from error

    def _act(self, settled: Settled, call: ToolCall, answer: Answer) -> None:
        if settled.approval.kind == "question":
            self.questioning.give(settled.approval.id, answer)
            return
        if settled.ready:
            self._engine.wake(settled.ready)
        if settled.approval.run_id is not None:
            return
        match answer.decision:
            case "approve" | "edit":
                self._spawn(self._make(call, answer))
            case "reject" | "expire":
                pass
            case _:
                assert_never(answer.decision)

    def _spawn(self, work: Coroutine[None, None, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _make(self, call: ToolCall, answer: Answer) -> None:
        try:
            result = await self._tools.call(call, self._ledger, _Given(answer))
            await self._store.tool_calls.settle(replace(call, arguments=answer.arguments or call.arguments), result)
        except Exception:
            _log.exception("an approved call broke", call_id=call.id)

    async def _record(self, principal: Principal, approval: Approval) -> None:
        await self._audit.record(build_resolution(principal, approval))


@asynccontextmanager
async def open_approving(
    store: Store,
    engine: Engine,
    tools: ToolRegistry,
    ledger: Ledger,
    audit: Audit,
    questioning: Questioning,
    patience: float,
) -> AsyncIterator[Approving]:
    """Yields what takes answers; questions older than `patience` seconds are closed meanwhile."""
    approving = Approving(store, engine, tools, ledger, audit, questioning)
    await approving.take_up()
    sweeping = asyncio.create_task(_sweep(approving, min(_LONGEST_PAUSE, patience / 4)), name="approvals")
    try:
        yield approving
    finally:
        sweeping.cancel()
        await asyncio.wait([sweeping])
        await approving.close()


async def _sweep(approving: Approving, pause: float) -> None:
    while True:
        try:
            await approving.expire()
        except Unavailable as error:
            _log.warning("database unavailable; expired approvals are closed later", detail=str(error))
        await asyncio.sleep(pause)
