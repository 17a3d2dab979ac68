"""The description of the API, as committed in `docs/openapi.json`: FastAPI's own, with what it cannot know."""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from server.completions.objects import ChatCompletionChunk
from server.problems import MEDIA_TYPE
from server.sse import EventStream

# `Any` throughout: a JSON document of a hundred shapes, read only here.
Document = dict[str, Any]

_PROBLEM: Final = {"$ref": "#/components/schemas/Problem"}
_TAGS: Final = [
    {"name": "conversations", "description": "What belongs together: messages and the runs that answer them."},
    {"name": "messages", "description": "What was said."},
    {"name": "runs", "description": "One execution: planned, worked on step by step, followed live, read afterwards."},
    {"name": "agents", "description": "Who does the work. Agents are data."},
    {"name": "tools", "description": "What agents may use, from MCP servers."},
    {"name": "artifacts", "description": "Results and files that are too long for a prompt, or no text, kept whole."},
    {"name": "openai", "description": "The same agents and runs, as OpenAI's clients expect them."},
    {"name": "health", "description": "Is it alive, is it ready, what is it."},
]


def build_openapi(app: FastAPI) -> Document:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, tags=_TAGS
    )
    _name_events(document)
    _name_chunks(document)
    for _, response in _responses(document):
        content = response.get("content", {})
        for media_type in [each for each in content if content[each]["schema"] == _PROBLEM]:
            content[MEDIA_TYPE] = content.pop(media_type)
    return document


def _responses(document: Document) -> Iterator[tuple[str, Document]]:
    for path in document["paths"].values():
        for operation in path.values():
            yield from operation["responses"].items()


def _name_events(document: Document) -> None:
    """Makes the union of all events a component of its own, so that both streams can refer to it by name."""
    for _, response in _responses(document):
        stream = response.get("content", {}).get(EventStream.media_type, {})
        if "oneOf" in stream.get("schema", {}):
            del stream["schema"]["type"]  # FastAPI says `string` of every stream
            document["components"]["schemas"]["RunEvent"] = stream["schema"]
            stream["schema"] = {"$ref": "#/components/schemas/RunEvent"}


def _name_chunks(document: Document) -> None:
    """Adds what is only ever streamed, and so is no route's model."""
    schema = ChatCompletionChunk.model_json_schema(ref_template="#/components/schemas/{model}")
    document["components"]["schemas"] |= schema.pop("$defs") | {"ChatCompletionChunk": schema}
