"""Request bodies with an example each, as `/docs` shows them."""

from typing import Annotated, Any, Final

from fastapi import Body
from pydantic import Field, JsonValue

from server.resources import Agent, NewConversation, NewMessage, NewRun, Request, Rollback


class Invocation(Request):
    """A tool call by hand."""

    arguments: dict[str, JsonValue] = Field({}, description="As the tool's `input_schema` asks for them.")


def _example(summary: str, value: dict[str, JsonValue]) -> Any:  # noqa: ANN401 - FastAPI's marker says so of itself
    return Body(openapi_examples={"example": {"summary": summary, "value": value}})


_AGENT: Final[dict[str, JsonValue]] = {
    "id": "poet",
    "name": "Poet",
    "description": "Writes short poems and rhymes on any subject.",
    "system_prompt": "You are a poet. Answer with one short poem.",
    "allowed_tools": ["time__*"],
}

ConversationBody = Annotated[NewConversation, _example("With a title", {"title": "Trip to Japan"})]
MessageBody = Annotated[NewMessage, _example("A question", {"content": "What time is it in Tokyo right now?"})]
RunBody = Annotated[NewRun, _example("The router plans; events are streamed", {"agent_id": "router", "stream": True})]
AgentBody = Annotated[Agent, _example("A specialist", _AGENT)]
AgentPatch = Annotated[dict[str, JsonValue], _example("Another model", {"model": ["openai:gpt-5-mini", "default"]})]
RollbackBody = Annotated[Rollback, _example("What it was at first", {"version": 1})]
InvocationBody = Annotated[Invocation, _example("The clock", {"arguments": {"timezone": "Asia/Tokyo"}})]
