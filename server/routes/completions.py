"""The OpenAI-compatible routes: agents as models, chat completions as runs. Their errors are OpenAI's, too."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Path, Request, Response

from server.auth import Caller, needs_key
from server.body import StrictJsonRoute
from server.completions import models
from server.completions.answering import answer
from server.completions.models import Model, ModelList
from server.completions.objects import ChatCompletion
from server.completions.refusals import RefusalObject
from server.completions.visit import read_visit
from server.completions.wording import CompletionRequest
from server.problems import describe_errors
from server.routes.dependencies import App


def _refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:  # Any: FastAPI's own type for a part of a document
    return describe_errors("application/json", RefusalObject, statuses)


router: Final = APIRouter(
    prefix="/v1",
    tags=["openai"],
    route_class=StrictJsonRoute,
    dependencies=[needs_key],
    responses=_refusals(401, 422, 500, 503),
)
_EXAMPLE: Final = {
    "model": "open-agent",
    "messages": [{"role": "user", "content": "What time is it in Tokyo right now?"}],
}
CompletionBody = Annotated[
    CompletionRequest, Body(openapi_examples={"example": {"summary": "A question to the router", "value": _EXAMPLE}})
]
ModelName = Annotated[str, Path(max_length=200, examples=["open-agent"])]


@router.get("/models", operation_id="list_models")
async def list_models(app: App, caller: Caller) -> ModelList:
    """Lists the models: `open-agent`, which plans, and every enabled agent by its own name."""
    return await models.list_models(app)


@router.get("/models/{name}", operation_id="get_model", responses=_refusals(404))
async def get_model(app: App, caller: Caller, name: ModelName) -> Model:
    return await models.get_model(app, name)


@router.post(
    "/chat/completions",
    operation_id="create_chat_completion",
    status_code=200,
    response_class=Response,
    responses={
        200: {
            "model": ChatCompletion,
            "description": "The answer; with `stream: true` its chunks as they come, then `[DONE]`.",
            "content": {"text/event-stream": {"schema": {"$ref": "#/components/schemas/StreamedChunk"}}},
        },
        **_refusals(400, 404, 409, 413, 415),
    },
)
async def create_chat_completion(app: App, caller: Caller, request: Request, asked: CompletionBody) -> Response:
    """Answers the last user message of a history. Each answer is a run, kept with its steps and tool calls."""
    visit = read_visit(caller, request.headers, app.terms)
    return await answer(app, visit, asked, request)
