"""The part of the client that follows runs: a stream that breaks is taken up again where it broke."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from http.client import NO_CONTENT
from typing import Final

import httpx
from httpx_sse import EventSource, SSEError, aconnect_sse

from graph.events import TERMINAL, RunEvent, run_events
from server.client_errors import ClientError, parsed, problem_of, unreachable
from server.client_transport import Transport
from server.resources.approvals import Approval
from server.resources.pages import Page
from server.resources.runs import Run

_PATIENCE: Final = 8
"""Attempts in a row that may bring nothing before a broken stream is given up: about half a minute."""
_SLOWEST_RETRY: Final = 8.0
_AWAY: Final = frozenset({502, 503, 504})
"""What proxies, and a server that is just starting or stopping, answer."""


class _NothingLeft(Exception):
    """The reader has the terminal event already."""


class EventClient(Transport):
    async def events(
        self, run_id: str, after: int = 0, *, until_waiting: bool = False
    ) -> AsyncGenerator[RunEvent, None]:
        """Yields every event after the one with that `seq`, to the terminal one, each exactly once; with
        `until_waiting` only to where the run waits for an approval.

        A connection that is lost is taken up again where it broke, for as long as the server can be reached.
        """
        silent = 0
        while silent < _PATIENCE:
            seen = after
            try:
                async with aclosing(self._read_on(run_id, after, until_waiting=until_waiting)) as events:
                    async for event in events:
                        after = event.seq
                        yield event
                        if event.type in TERMINAL:
                            return
            except _NothingLeft:
                return
            if until_waiting and await self._waits(run_id):
                return
            silent = 0 if after > seen else silent + 1
            await asyncio.sleep(min(_SLOWEST_RETRY, 0.1 * 2**silent))
        raise unreachable(self.http, f"the events of {run_id} stopped")

    async def _waits(self, run_id: str) -> bool:
        with suppress(ClientError):  # whoever reads on meets the same trouble, and has patience
            if (await self.send(Run, "GET", f"/v1/runs/{run_id}")).status == "requires_action":
                return True
            path = f"/v1/approvals?status=pending&limit=100&run_id={run_id}"
            return any(each.kind == "question" for each in (await self.send(Page[Approval], "GET", path)).data)
        return False

    async def _read_on(self, run_id: str, after: int, *, until_waiting: bool) -> AsyncGenerator[RunEvent, None]:
        """Yields events until the connection ends, however it ends."""
        headers = {"Last-Event-ID": str(after)} if after else {}
        path = f"/v1/runs/{run_id}/events{'?until_waiting=true' if until_waiting else ''}"
        with suppress(httpx.TransportError, SSEError):
            async with aconnect_sse(self.http, "GET", path, headers=headers) as source:
                if source.response.status_code == NO_CONTENT:
                    raise _NothingLeft
                await _refuse_problem(source)
                async for message in source.aiter_sse():
                    if message.event == "error":  # said outside the log: this reading broke, the run goes on
                        return
                    if message.data and (event := parsed(run_events.validate_json, message.data)).seq > after:
                        yield event


async def _refuse_problem(source: EventSource) -> None:
    """Raises what the server says, unless it is only away for a moment: then the stream counts as lost."""
    answer = source.response
    if answer.status_code in _AWAY:
        raise SSEError(f"status {answer.status_code}")
    if not answer.is_success:
        await answer.aread()
        raise problem_of(answer)
