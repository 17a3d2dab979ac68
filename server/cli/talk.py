"""One question and its run, asked over the API. Ctrl-C stops the run, a second one leaves."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass

from graph.events import RunCancelled, RunCompleted, RunFailed
from server.approval_resources import Approval
from server.cli.run_view import RunView
from server.cli.tables import shown_arguments
from server.client import Client, ClientError
from server.resources import Run

End = RunCompleted | RunFailed | RunCancelled


@dataclass(frozen=True)
class Waits:
    """The run has not ended: it goes on when somebody has answered these."""

    approvals: list[Approval]

    @property
    def how_to_go_on(self) -> str:
        return "\n".join(
            f"{approval.tool} {shown_arguments(approval.arguments)} needs your approval ({approval.rule}): "
            f"open-agent approvals approve {approval.id} (or reject; POST /v1/approvals/{approval.id} does the same)"
            for approval in self.approvals
        )


@dataclass
class Talk:
    """A conversation with one agent at a time."""

    client: Client
    agent: str
    conversation: str | None = None

    async def ask(self, question: str, view: RunView | None) -> End | Waits:
        """Asks, shows the run if there is a view, and returns how it ended, or what it waits for."""
        if self.conversation is None:
            self.conversation = (await self.client.create_conversation(title=_title(question))).id
        await self.client.add_message(self.conversation, question)
        run = await self.client.create_run(self.conversation, self.agent)
        if view is None:
            return await self._follow(run, view)
        with view.following():
            return await self._follow(run, view)

    async def answer(self, end: RunCompleted) -> str:
        """Returns the answer as it is stored."""
        if self.conversation is None:
            return ""
        newest = (await self.client.messages(self.conversation, limit=20)).data
        return next((message.content for message in newest if message.id == end.message_id), "")

    async def _follow(self, run: Run, view: RunView | None) -> End | Waits:
        with _stopping(self.client, run, view):
            async with aclosing(self.client.events(run.id, until_waiting=True)) as events:
                async for event in events:
                    if view:
                        view.show(event)
                    if isinstance(event, End):
                        return event
        if waiting := (await self.client.approvals("pending", run_id=run.id)).data:
            return Waits(waiting)
        raise ClientError(0, "unexpected_answer", f"{run.id} ended without saying how.")


@contextmanager
def _stopping(client: Client, run: Run, view: RunView | None) -> Iterator[None]:
    """While this is open, Ctrl-C asks the server to stop the run; the second one stops waiting for that."""
    loop, following = asyncio.get_running_loop(), asyncio.current_task()
    asked: list[asyncio.Task[None]] = []

    def interrupt() -> None:
        if asked and following:
            following.cancel()
            return
        asked.append(asyncio.create_task(_cancel(client, run)))
        if view:
            view.note("stopping the run… (Ctrl-C again leaves at once)", "yellow")

    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        for task in asked:
            task.cancel()


async def _cancel(client: Client, run: Run) -> None:
    with suppress(ClientError):  # whoever follows the run meets the same trouble, and says so
        await client.cancel(run.id)


def _title(question: str) -> str:
    return " ".join(question.split())[:80]
