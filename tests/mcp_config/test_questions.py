"""Which questions of servers a person is asked, and how they are shown: what is no plain form is declined."""

import pytest

from mcp_config.calls.attendant import Attendant, find_question
from mcp_config.talkback import Params
from mcp_config.tools import Answer, Caller, JsonObject, Question, ToolCall

NAME: JsonObject = {"type": "object", "properties": {"name": {"type": "string"}}}


def asking(message: object = "who?", schema: object = NAME, **more: object) -> Params:
    return {"message": message, "requestedSchema": schema, **more}  # type: ignore[dict-item]  # also what is no JSON


@pytest.mark.parametrize(
    "params",
    [
        {"mode": "url", "message": "log in", "url": "https://example.com/login", "elicitationId": "1"},
        asking(mode="url"),
        asking(message=None),
        asking(schema="text"),
        asking(schema={"type": "string"}),
        asking(schema={"type": "object", "properties": ["name"]}),
        asking(schema={"type": "object", "properties": {"name": {"type": "nothing"}}}),
        asking(schema={"type": "object", "properties": {"na\u200bme": {"type": "string"}}}),
        asking(schema={"type": "object", "properties": {f"field{n}": {"type": "string"} for n in range(31)}}),
        asking(schema={"type": "object", "properties": {"name": {"enum": [str(n) for n in range(1000)]}}}),
        asking(schema={"type": "object", "properties": {"name": {"$ref": "https://example.com/schema"}}}),
    ],
)
async def test_what_is_no_plain_form_is_declined(params: Params) -> None:
    assert find_question(params) is None
    assert await Attendant(ToolCall("call_1", "a__b", {}, Caller("uma")), None).elicit(params) is None


def test_what_nobody_sees_and_what_is_too_long_is_not_shown() -> None:
    label = {"type": "string", "title": f"Your\u200b name\u0007{'!' * 1000}"}
    question = find_question(
        asking("who\u202e?\x1b[31m" + "x" * 5000, {"type": "object", "properties": {"name": label}})
    )
    assert question is not None
    assert question.message.startswith("who?[31mxxx")
    assert len(question.message) == 2000
    shown = question.shown["properties"]
    assert isinstance(shown, dict)
    assert isinstance(shown["name"], dict)
    assert str(shown["name"]["title"]).startswith("Your name!!!")
    assert len(str(shown["name"]["title"])) == 500


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer("approve"), {"action": "accept", "content": {}}),
        (Answer("edit", {"name": "Ada"}), {"action": "accept", "content": {"name": "Ada"}}),
        (Answer("reject", reason="no"), {"action": "decline"}),
        (Answer("expire"), {"action": "cancel"}),
    ],
)
async def test_answers_are_told_in_the_words_of_the_protocol(answer: Answer, told: Params) -> None:
    class Person:
        async def answer(self, call: ToolCall, question: Question) -> Answer:
            return answer

    assert await Attendant(ToolCall("call_1", "a__b", {}, Caller("uma")), Person()).elicit(asking()) == told
