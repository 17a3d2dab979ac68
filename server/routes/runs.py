"""Runs: made, listed, read, followed, cancelled. The request never owns the run: a lost reader ends only a reading."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query, Response, WebSocket
from pydantic import Field

from graph.events import RunEvent
from server.application import Application
from server.auth import Caller
from server.keys import Principal
from server.resources.pages import Page, PageQuery
from server.resources.runs import NewFork, NewRun, Run, RunStatus, Step
from server.routes.bodies import ForkBody, RunBody
from server.routes.dependencies import App, ConversationId, RunId, WantedPage, build_router, problems
from server.sse import EventStream, Logged, frames, read_cursor
from server.websocket import accept, send_events

of_conversation: Final = build_router("/v1/conversations/{conversation_id}/runs", "runs")
router: Final = build_router("/v1/runs", "runs")
sockets: Final = APIRouter(prefix="/v1/runs")

_DEFAULTS: Final = NewRun()
_PLAIN_FORK: Final = NewFork()
_STREAMED: Final = {
    "description": "With `stream: true`: the run's events as they come; resume at `Content-Location`.",
    "content": {"text/event-stream": {"schema": {"$ref": "#/components/schemas/StreamedRunEvent"}}},
}
_LONGEST_WAIT: Final = 60
WaitSeconds = Annotated[
    float,
    Query(ge=0, le=_LONGEST_WAIT, description="Seconds to wait for the end; 202 says it has not come."),
]
_ENDED: Final[frozenset[RunStatus]] = frozenset({"completed", "failed", "cancelled"})


@of_conversation.post(
    "",
    operation_id="create_run",
    status_code=201,
    response_model=Run,
    responses={200: _STREAMED, **problems(400, 404, 409, 413, 415)},
)
async def create_run(
    app: App, caller: Caller, response: Response, conversation_id: ConversationId, new: RunBody = _DEFAULTS
) -> Run | EventStream:
    """Starts a run that answers the newest user message. The body may be left out: the router, no stream."""
    run = await app.engine.create_run(caller.name, caller.role, conversation_id, new)
    return _begun(app, caller, response, run, stream=new.stream)


@of_conversation.get("", operation_id="list_runs", responses=problems(404))
async def list_runs(app: App, caller: Caller, conversation_id: ConversationId, page: WantedPage) -> Page[Run]:
    """Lists the conversation's runs, the newest first."""
    return await app.store.runs.page(caller.name, conversation_id, page)


class RunsQuery(PageQuery):
    """Which runs: of all statuses, or of those that are named."""

    status: list[RunStatus] = Field([], max_length=6, description="Only runs of this status; may be repeated.")


@router.get("", operation_id="list_all_runs")
async def list_all_runs(app: App, caller: Caller, query: Annotated[RunsQuery, Query()]) -> Page[Run]:
    """Lists the caller's runs of all conversations, the newest first."""
    return await app.store.runs.page_of_owner(caller.name, query, query.status)


@router.get("/{run_id}", operation_id="get_run", responses=problems(404))
async def get_run(app: App, caller: Caller, run_id: RunId) -> Run:
    return await app.store.runs.get(caller.name, run_id)


@router.get("/{run_id}/steps", operation_id="list_steps", responses=problems(404))
async def list_steps(app: App, caller: Caller, run_id: RunId) -> Page[Step]:
    """Lists all steps of the run in the order they began, each with its tool calls."""
    steps = await app.store.runs.steps(caller.name, run_id)
    return Page.of(steps, [step.id for step in steps])


@router.get(
    "/{run_id}/events",
    operation_id="follow_run",
    status_code=200,
    response_class=EventStream,
    responses={
        200: {"model": RunEvent, "description": "Each `data:` is one event; `id:` is its `seq`, `event:` its `type`."},
        204: {"description": "The reader has the terminal event already: there is nothing left to come for."},
        **problems(404),
    },
)
async def follow_run(
    app: App,
    caller: Caller,
    run_id: RunId,
    last_event_id: Annotated[str | None, Header(description="The last `id:` that was read; wins over `after`.")] = None,
    after: Annotated[str | None, Query(description="Events after this `seq`; 0 is the start.")] = None,
    until_waiting: Annotated[bool, Query(description="End also where the run waits for an approval.")] = False,
) -> Response:
    """Follows the run: what its log holds after the cursor, then what comes, until the terminal event.

    The same events come over WebSocket from `/v1/runs/{run_id}/ws?after=`, one message each.
    """
    cursor = read_cursor(last_event_id, after)
    if not await app.store.events.has_more(caller.name, run_id, cursor):
        return Response(status_code=204)
    return _stream(app, caller, run_id, cursor, until_waiting=until_waiting)


@sockets.websocket("/{run_id}/ws")
async def follow_run_by_socket(socket: WebSocket, run_id: str) -> None:
    """Follows the run as `follow_run` does, with a message for each event; docs/streaming.md tells the close codes."""
    app: Application = socket.state.application
    await accept(socket)
    events = _events(app, socket.state.principal, run_id, socket.query_params.get("after"))
    await send_events(socket, events, app.draining, app.reader_timeout)


@router.post(
    "/{run_id}/cancel",
    operation_id="cancel_run",
    status_code=202,
    responses={200: {"model": Run, "description": "The run had ended already and stays as it is."}, **problems(404)},
)
async def cancel_run(app: App, caller: Caller, response: Response, run_id: RunId, wait: WaitSeconds = 0) -> Run:
    """Asks the run to stop. Until it really has, the answer is 202 with the run as it is now."""
    run = await app.engine.cancel(caller.name, run_id)
    if wait and run.status not in _ENDED:
        run = await app.engine.wait_for_end(caller.name, run_id, wait)
    response.status_code = 200 if run.status in _ENDED else 202
    return run


@router.post(
    "/{run_id}/fork",
    operation_id="fork_run",
    status_code=201,
    response_model=Run,
    responses={200: _STREAMED, **problems(400, 404, 409, 413, 415)},
)
async def fork_run(
    app: App, caller: Caller, response: Response, run_id: RunId, new: ForkBody = _PLAIN_FORK
) -> Run | EventStream:
    """Starts a run that answers the same message again, with the plan and the outputs of one that has ended.

    The named step and what depends on it are run anew. Its answer stands beside the old one.
    """
    run = await app.engine.fork_run(caller.name, caller.role, run_id, new)
    return _begun(app, caller, response, run, stream=new.stream)


def _begun(app: Application, caller: Principal, response: Response, run: Run, *, stream: bool) -> Run | EventStream:
    if stream:
        return _stream(app, caller, run.id, 0, {"Content-Location": f"/v1/runs/{run.id}/events"})
    response.headers["Location"] = f"/v1/runs/{run.id}"
    return run


def _stream(
    app: Application,
    caller: Principal,
    run_id: str,
    cursor: int,
    headers: Mapping[str, str] | None = None,
    *,
    until_waiting: bool = False,
) -> EventStream:
    events = app.engine.follow(caller.name, run_id, cursor, until_waiting=until_waiting)
    return EventStream(frames(events, app.draining), headers, app.reader_timeout)


async def _events(app: Application, caller: Principal, run_id: str, after: str | None) -> AsyncGenerator[Logged, None]:
    """Yields as `engine.follow` does; also the cursor is read only once somebody hears why it is wrong."""
    async with aclosing(app.engine.follow(caller.name, run_id, read_cursor(None, after))) as events:
        async for event in events:
            yield event
