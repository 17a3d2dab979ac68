"""A request for a completion, from its words to its response: a run of an agent, or a plain task."""

import time
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from config.agents import Limits
from config.ids import new_id
from config.limits_text import tightest
from nodes.models.port import ModelError
from server.application import Application
from server.completions.chunks import DONE, Completion, Dialect, PlainDialect, encode
from server.completions.history import build_history
from server.completions.models import get_agent_id
from server.completions.presence import while_there
from server.completions.reading import Reading
from server.completions.replying import find_telling, fold_history, tell_since
from server.completions.rich import RichDialect
from server.completions.tasks import Chore, do_task
from server.completions.telling import Telling
from server.completions.visit import Visit
from server.completions.wording import CompletionRequest
from server.db.once import find_made
from server.errors import Failed, Unavailable
from server.resources.runs import NewRun
from server.sse import EventStream

RUN_HEADER: Final = "X-Open-Agent-Run-Id"


async def answer(app: Application, visit: Visit, asked: CompletionRequest, request: Request) -> Response:
    """Raises: what `server.errors` says of models, histories and runs."""
    agent_id = await get_agent_id(app, asked.model)
    if visit.task:
        return await _answer_task(app, visit, asked, request)
    made = find_made()  # by this very request, when it came before
    telling = await (_find_made(app, visit, made) if made else _begin(app, visit, asked, agent_id))
    run = telling.run
    completion = Completion(f"chatcmpl-{run.id}", int(run.created_at.timestamp()), asked.model)
    reading = Reading(app, visit.owner, telling, visit.on_disconnect)
    headers = {RUN_HEADER: run.id}
    if asked.stream:
        return reading.stream(_dialect(completion, visit, asked), headers)
    return JSONResponse(await reading.whole(completion, request), headers=headers)


async def _find_made(app: Application, visit: Visit, made: str) -> Telling:
    """`made` is a run, or the approval that was a reply."""
    if made.startswith("appr_"):
        return await tell_since(app, visit, made)
    return Telling(await app.store.runs.get(visit.owner, made))


async def _begin(app: Application, visit: Visit, asked: CompletionRequest, agent_id: str) -> Telling:
    if app.draining.is_set():  # a client that is told so asks again, so nothing may be left of its first try
        raise Unavailable("server_stopping", "The server is stopping; ask again in a moment.", retry_after=5)
    folded = await fold_history(app, visit, build_history(asked, visit))
    if telling := await find_telling(app, visit, folded):
        return telling
    question = await app.store.histories.place(visit.owner, folded.history)
    limits = tightest(visit.limits, asked.limits or Limits())
    new = NewRun(agent_id=agent_id, multitask=visit.multitask, limits=limits)
    run = await app.engine.create_run(
        visit.owner, visit.role, question.conversation_id, new, question=question.message_id
    )
    return Telling(run)


def _dialect(completion: Completion, visit: Visit, asked: CompletionRequest) -> Dialect:
    return RichDialect(completion, asks=visit.asks) if visit.rich else PlainDialect(completion, usage=asked.wants_usage)


async def _answer_task(app: Application, visit: Visit, asked: CompletionRequest, request: Request) -> Response:
    try:
        model = app.models.for_chores()
    except ModelError as error:
        raise Failed(error.code, str(error)) from error
    chore = await while_there(request, do_task(model, visit.task, asked.messages))
    completion = Completion(f"chatcmpl-{new_id('req')}", int(time.time()), asked.model)
    if asked.stream:
        return _stream_chore(completion, chore, usage=asked.wants_usage)
    return JSONResponse(completion.whole(chore.content, chore.usage))


def _stream_chore(completion: Completion, chore: Chore, *, usage: bool) -> StreamingResponse:
    lines = [
        completion.chunk({"role": "assistant", "content": chore.content}),
        completion.chunk({}, "stop"),
        *([completion.usage_chunk(chore.usage)] if usage else []),
    ]
    body = b"".join(map(encode, lines)) + DONE
    return StreamingResponse(iter([body]), media_type=EventStream.media_type)
