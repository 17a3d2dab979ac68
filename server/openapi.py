"""The description of the API, as committed in `docs/openapi.json`: FastAPI's own, with what it cannot know."""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from server.completions.objects import ChatCompletionChunk
from server.completions.refusals import RefusalObject, is_openai_path
from server.idempotency import HEADER, KEY_PATTERN, REPLAYED
from server.problems import MEDIA_TYPE, Problem, describe_errors
from server.sse import EventStream

# `Any` throughout: a JSON document of a hundred shapes, read only here.
Document = dict[str, Any]

_SCHEMAS: Final = "#/components/schemas/"
_KEY: Final = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Makes the request safe to send again: for 24 hours the same key gets the first answer.",
    "schema": {"type": "string", "pattern": KEY_PATTERN},
    "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
}
_REPLAYED: Final = {
    "description": "`true` when this is the answer to an earlier request with the same `Idempotency-Key`.",
    "schema": {"type": "string", "enum": ["true"]},
}
_TAGS: Final = [
    {"name": "conversations", "description": "What belongs together: messages and the runs that answer them."},
    {"name": "messages", "description": "What was said."},
    {"name": "runs", "description": "One execution: planned, worked on step by step, followed live, read afterwards."},
    {"name": "agents", "description": "Who does the work. Agents are data."},
    {"name": "tools", "description": "What agents may use, from MCP servers."},
    {"name": "mcp servers", "description": "Where tools come from, and logging in there."},
    {"name": "approvals", "description": "Tool calls that wait for a person."},
    {"name": "artifacts", "description": "Results and files that are too long for a prompt, or no text, kept whole."},
    {"name": "policies", "description": "Which tool calls are allowed, asked about or denied, and how often."},
    {"name": "audit", "description": "Who did what, by which rule, with what outcome."},
    {"name": "tokens", "description": "API keys that are made and revoked here."},
    {"name": "credentials", "description": "What tool servers know each user by, stored by that user."},
    {"name": "memories", "description": "What agents remember about the caller."},
    {"name": "openai", "description": "The same agents and runs, as OpenAI's clients expect them."},
    {"name": "health", "description": "Is it alive, is it ready, what is it."},
]


def build_openapi(app: FastAPI) -> Document:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, tags=_TAGS
    )
    _name_events(document)
    for model in (Problem, RefusalObject, ChatCompletionChunk):
        _name(document, model)
    document["components"]["schemas"]["StreamedChunk"] = _build_chunk_frame()
    _tell_of_keys(document)
    _take_nulls_out_of_parameters(document)
    return document


def _responses(document: Document) -> Iterator[tuple[str, Document]]:
    for path in document["paths"].values():
        for operation in path.values():
            yield from operation["responses"].items()


def _take_nulls_out_of_parameters(document: Document) -> None:
    """Nobody can send null in a query or a header: what FastAPI calls so is a parameter that is left out."""
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", []):
                parameter["schema"] = _without_null(parameter["schema"])


def _without_null(schema: Document) -> Document:
    match schema:
        case {"anyOf": [dict() as sent, {"type": "null"}], **rest}:
            return {**sent, **rest}
    return schema


def _tell_of_keys(document: Document) -> None:
    """Says of every POST that it takes an `Idempotency-Key`: that is a ring around the routes, unknown to them."""
    for path, item in document["paths"].items():
        if "post" not in item:
            continue
        operation, openai = item["post"], is_openai_path(path)
        operation["parameters"] = [*operation.get("parameters", []), _KEY]
        media_type, model = ("application/json", RefusalObject) if openai else (MEDIA_TYPE, Problem)
        operation["responses"].setdefault("409", describe_errors(media_type, model, [409])[409])
        operation["responses"] = dict(sorted(operation["responses"].items()))
        for status, response in operation["responses"].items():
            if int(status) < 400:
                response.setdefault("headers", {})[REPLAYED] = _REPLAYED


def _name_events(document: Document) -> None:
    """Makes the union of all events a component of its own, and another of the frame that each comes in."""
    for _, response in _responses(document):
        stream = response.get("content", {}).get(EventStream.media_type, {})
        if "oneOf" in stream.get("schema", {}):
            del stream["schema"]["type"]  # FastAPI says `string` of every stream
            stream["schema"]["title"] = "RunEvent"
            types = list(stream["schema"]["discriminator"]["mapping"])
            schemas = {"RunEvent": stream["schema"], "StreamedRunEvent": _build_event_frame(types)}
            document["components"]["schemas"] |= schemas
            stream["schema"] = {"$ref": f"{_SCHEMAS}StreamedRunEvent"}


def _build_event_frame(types: list[str]) -> Document:
    return {
        "title": "StreamedRunEvent",
        "description": "One server-sent event of the stream, which is a sequence of them; each property is a field.",
        "type": "object",
        "required": ["id", "event", "data"],
        "properties": {
            "id": {"type": "string", "pattern": "^[0-9]+$", "description": "Its `seq`, and so a `Last-Event-ID`."},
            "event": {"type": "string", "enum": types, "description": "Its `type`."},
            "data": _build_json_text("RunEvent"),
        },
    }


def _build_chunk_frame() -> Document:
    end = {"type": "string", "const": "[DONE]", "description": "After the last chunk."}
    return {
        "title": "StreamedChunk",
        "description": "One server-sent event of a streamed completion, which is a sequence of them.",
        "type": "object",
        "required": ["data"],
        "properties": {"data": {"anyOf": [_build_json_text("ChatCompletionChunk", "RefusalObject"), end]}},
    }


def _build_json_text(*names: str) -> Document:
    """Says of a string that it is JSON of one of these components."""
    shapes = [{"$ref": f"{_SCHEMAS}{name}"} for name in names]
    content = shapes[0] if len(shapes) == 1 else {"anyOf": shapes}
    return {"type": "string", "contentMediaType": "application/json", "contentSchema": content}


def _name(document: Document, model: type[BaseModel]) -> None:
    """Adds what is only ever streamed or told of errors, and so is no route's model."""
    schema = model.model_json_schema(ref_template=_SCHEMAS + "{model}", mode="serialization")
    document["components"]["schemas"] |= schema.pop("$defs", {}) | {model.__name__: schema}
