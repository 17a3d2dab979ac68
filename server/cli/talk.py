"""One question and its run, asked over the API. Ctrl-C stops the run, a second one leaves."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass, field

from config.agents import Limits
from config.plain_sight import show_bounded
from graph.events import RunCancelled, RunCompleted, RunFailed
from server.cli.run_view import RunView
from server.client import Client, ClientError
from server.resources.approvals import Approval
from server.resources.forms import describe_question
from server.resources.runs import Run

End = RunCompleted | RunFailed | RunCancelled


@dataclass(frozen=True)
class Waits:
    """The run has not ended: it goes on when somebody has answered these."""

    run_id: str
    approvals: list[Approval]

    @property
    def how_to_go_on(self) -> str:
        return "\n".join(map(_how_to_answer, self.approvals))


def _how_to_answer(approval: Approval) -> str:
    here = f"(or reject; POST /v1/approvals/{approval.id} does the same)"
    if approval.kind == "question":
        return f"{describe_question(approval)}\nopen-agent approvals answer {approval.id} name=value {here}"
    asked = f"{approval.tool} {show_bounded(approval.arguments)} needs your approval ({approval.rule})"
    return f"{asked}: open-agent approvals approve {approval.id} {here}"


@dataclass
class Talk:
    """A conversation with one agent at a time."""

    client: Client
    agent: str
    conversation: str | None = None
    limits: Limits | None = None
    """What each answer may take."""
    _seen: dict[str, int] = field(default_factory=dict)
    """How far each run was shown."""

    async def ask(self, question: str, view: RunView | None) -> End | Waits:
        """Asks, shows the run if there is a view, and returns how it ended, or what it waits for."""
        if self.conversation is None:
            self.conversation = (await self.client.create_conversation(title=_title(question))).id
        await self.client.add_message(self.conversation, question)
        run = await self._begin(self.conversation)
        return await self.go_on(run.id, view)

    async def go_on(self, run_id: str, view: RunView | None) -> End | Waits:
        """Shows the run from where it was left, and returns how it ended, or what it waits for."""
        if view is None:
            return await self._follow(run_id, view)
        with view.following():
            return await self._follow(run_id, view)

    async def find_waiting(self) -> Waits | None:
        """Returns what the conversation waits for: later questions of it would queue behind that."""
        runs = (await self.client.runs(self.conversation)).data if self.conversation else []
        for run in runs:
            if run.status in ("requires_action", "running"):
                waiting = (await self.client.approvals("pending", run_id=run.id)).data
                if run.status == "requires_action" or any(each.kind == "question" for each in waiting):
                    return Waits(run.id, waiting)
        return None

    async def answer(self, end: RunCompleted) -> str:
        """Returns the answer as it is stored."""
        if self.conversation is None:
            return ""
        newest = (await self.client.messages(self.conversation, limit=20)).data
        return next((message.content for message in newest if message.id == end.message_id), "")

    async def _begin(self, conversation: str) -> Run:
        creating = asyncio.ensure_future(self.client.create_run(conversation, self.agent, limits=self.limits))
        try:
            return await asyncio.shield(creating)
        except asyncio.CancelledError:  # Ctrl-C came early: the run would go on with nobody there
            await _cancel(self.client, (await creating).id)
            raise

    async def _follow(self, run_id: str, view: RunView | None) -> End | Waits:
        after = self._seen.get(run_id, 0)
        with _stopping(self.client, run_id, view):
            async with aclosing(self.client.events(run_id, after, until_waiting=True)) as events:
                async for event in events:
                    self._seen[run_id] = event.seq
                    if view:
                        view.show(event)
                    if isinstance(event, End):
                        return event
        return Waits(run_id, (await self.client.approvals("pending", run_id=run_id)).data)


@contextmanager
def _stopping(client: Client, run_id: str, view: RunView | None) -> Iterator[None]:
    """While this is open, Ctrl-C asks the server to stop the run; the second one stops waiting for that."""
    loop, following = asyncio.get_running_loop(), asyncio.current_task()
    asked: list[asyncio.Task[None]] = []

    def interrupt() -> None:
        if asked and following:
            following.cancel()
            return
        asked.append(asyncio.create_task(_cancel(client, run_id)))
        if view:
            view.note("stopping the run… (Ctrl-C again leaves at once)", "yellow")

    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        for task in asked:
            task.cancel()


async def _cancel(client: Client, run_id: str) -> None:
    with suppress(ClientError):  # whoever follows the run meets the same trouble, and says so
        await client.cancel(run_id)


def _title(question: str) -> str:
    return " ".join(question.split())[:80]
