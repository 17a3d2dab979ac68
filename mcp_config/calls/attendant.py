"""Who a call's server may reach meanwhile: the MCP client that made the call, else a person, through a port.

A question is a stranger's words: it is cleaned and bounded before anybody sees it. What is no plain form is declined.
"""

from dataclasses import dataclass
from typing import Final, assert_never

from pydantic import JsonValue

from mcp_config.definitions.schema import ArgumentSchema, UnusableSchema
from mcp_config.names import clean_text
from mcp_config.talkback import Params
from mcp_config.tools import Answer, JsonObject, People, Question, ToolCall

_LONGEST_MESSAGE: Final = 2000
_LONGEST_TEXT: Final = 500
_MOST_FIELDS: Final = 30
_MOST_TEXTS: Final = 500
"""In a form, however they nest."""


@dataclass(frozen=True)
class Attendant:
    """Satisfies `mcp_config.talkback.Client` for one call."""

    call: ToolCall
    people: People | None

    def progressed(self, progress: float, total: float | None, message: str | None) -> None:
        if self.call.client is not None:
            self.call.client.progressed(progress, total, message)

    def logged(self, params: Params) -> None:
        if self.call.client is not None:
            self.call.client.logged(params)

    async def sample(self, params: Params) -> Params | None:
        return await self.call.client.sample(params) if self.call.client is not None else None

    def elicits(self, mode: str = "form") -> bool:
        client = self.call.client
        return (mode == "form" and self.people is not None) or (client is not None and client.elicits(mode))

    async def elicit(self, params: Params) -> Params | None:
        client = self.call.client
        if client is not None and client.elicits(str(params.get("mode", "form"))):
            return await client.elicit(params)
        question = find_question(params)
        if self.people is None or question is None:
            return None
        return _told(await self.people.answer(self.call, question))


def find_question(params: Params) -> Question | None:
    """Returns what a person can be asked; None for another mode, or a form that cannot be shown or checked."""
    message, schema = params.get("message"), params.get("requestedSchema")
    if params.get("mode", "form") != "form" or not isinstance(message, str) or not isinstance(schema, dict):
        return None
    fields = schema.get("properties", {})
    if schema.get("type") != "object" or not isinstance(fields, dict) or len(fields) > _MOST_FIELDS:
        return None
    try:
        shown = _cleaned(schema)  # first: it bounds what is left to be checked
        ArgumentSchema(schema)
        return Question(clean_text(message, _LONGEST_MESSAGE), schema, shown)
    except (UnusableSchema, _Unshowable):
        return None


class _Unshowable(ValueError): ...


def _cleaned(schema: JsonObject) -> JsonObject:
    """Returns a copy in which no text is invisible or too long. Raises: _Unshowable, where that would change a name."""
    texts = 0

    def clean(value: JsonValue) -> JsonValue:
        nonlocal texts
        match value:
            case str():
                if (texts := texts + 1) > _MOST_TEXTS:
                    raise _Unshowable
                return clean_text(value, _LONGEST_TEXT)
            case list():
                return [clean(each) for each in value]
            case dict():
                if any(clean_text(name, _LONGEST_TEXT) != name for name in value):
                    raise _Unshowable
                return {name: clean(each) for name, each in value.items()}
            case _:
                return value

    return {name: clean(each) for name, each in schema.items()}


def _told(answer: Answer) -> Params:
    match answer.decision:
        case "approve":
            return {"action": "accept", "content": {}}
        case "edit":
            return {"action": "accept", "content": answer.arguments or {}}
        case "reject":
            return {"action": "decline"}
        case "expire":
            return {"action": "cancel"}
        case _:
            assert_never(answer.decision)
