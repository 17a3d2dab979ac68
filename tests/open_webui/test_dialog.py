"""Where a run waits for the user, the pipe asks in a dialog of Open WebUI. Only a plain yes is one."""

import httpx
import pytest

from tests.completions.deputy import Deputy, acts, waiting
from tests.open_webui.asking import Chat, Json, words_of
from tests.support.scripted_model import Replies, ScriptedModel, says

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


async def test_a_yes_makes_the_call_and_the_same_answer_goes_on(
    chat: Chat, model: ScriptedModel, deputy: Deputy
) -> None:
    acts(model, "act on a yes", "yes", answer="It is done.")
    chat.answers = [True]
    lines = await chat.lines("act on a yes", model="deputy")
    assert (words_of(lines).strip(), deputy.deeds("yes")) == ("It is done.", 1)
    assert not any("waiting" in line for line in lines)
    (dialog,) = chat.dialogs
    assert (dialog["type"], dialog["data"]["title"]) == ("confirmation", "May this tool be called?")
    for shown in ("deputy wants to call `acting__act`", "(acting__act)", '"key": "yes"'):
        assert shown in dialog["data"]["message"]
    told = [description for description, _ in chat.statuses]
    passed = ["deputy: act waits for approval…", "Waiting for approval", "deputy: act approved", "deputy: running act…"]
    assert [each for each in told if each in passed] == passed
    assert chat.statuses[-1] == ("Done", True)


async def test_a_no_is_passed_on_with_its_reason(chat: Chat, model: ScriptedModel, deputy: Deputy) -> None:
    acts(model, "act on a no", "no", answer="Then not.")
    chat.answers = [False, "not before\nMonday"]
    assert words_of(await chat.lines("act on a no", model="deputy")).strip() == "Then not."
    assert [dialog["type"] for dialog in chat.dialogs] == ["confirmation", "input"]
    assert deputy.deeds("no") == 0
    (request,) = [each for each in model.requests if says("act on a no")(each) and each.tool_results]
    assert "not before\nMonday" in request.tool_results[0]
    assert ("deputy: act rejected", False) in chat.statuses


@pytest.mark.parametrize("reason", [False, None, {"error": "Client session disconnected."}, RuntimeError("gone")])
async def test_a_no_needs_no_reason(chat: Chat, model: ScriptedModel, deputy: Deputy, reason: object) -> None:
    acts(model, "act without reason", "why", answer="Then not.")
    chat.answers = [False, reason]
    assert words_of(await chat.lines("act without reason", model="deputy")).strip() == "Then not."
    assert deputy.deeds("why") == 0


@pytest.mark.parametrize(
    ("number", "answer"), [*enumerate([{"error": "Client session disconnected."}, "true", 1, {}, None, TimeoutError()])]
)
async def test_what_is_no_answer_leaves_the_question_open_and_says_how_to_go_on(
    chat: Chat, model: ScriptedModel, user: httpx.AsyncClient, deputy: Deputy, number: int, answer: object
) -> None:
    key = f"open-{number}"
    acts(model, f"act on nothing {number}", key)
    chat.chat_id = f"chat-{key}"
    chat.answers = [answer]
    words = words_of(await chat.lines(f"act on nothing {number}", model="deputy"))
    (approval,) = await waiting(user, {key})
    assert "Reply `approve` or `reject: why`; with `edit: {…}` the call is made with other arguments." in words
    assert f"`POST /v1/approvals/{approval['id']}`" in words
    assert (chat.statuses[-1], deputy.deeds(key)) == (("Waiting for approval", True), 0)

    question: list[Json] = [
        {"role": "user", "content": f"act on nothing {number}"},
        {"role": "assistant", "content": words},
    ]
    assert words_of(await chat.lines(*question, "approve", model="deputy")).strip() == "It is done."
    assert deputy.deeds(key) == 1


async def test_several_calls_are_asked_about_one_after_the_other(
    chat: Chat, model: ScriptedModel, deputy: Deputy
) -> None:
    acts(model, "act on both", "one", "two")
    chat.answers = [True, True]
    assert words_of(await chat.lines("act on both", model="deputy")).strip() == "It is done."
    assert [dialog["type"] for dialog in chat.dialogs] == ["confirmation"] * 2
    assert chat.dialogs[0]["data"]["message"] != chat.dialogs[1]["data"]["message"]
    assert (deputy.deeds("one"), deputy.deeds("two")) == (1, 1)


async def test_what_was_answered_elsewhere_meanwhile_is_said_and_the_answer_goes_on(
    chat: Chat, model: ScriptedModel, user: httpx.AsyncClient, deputy: Deputy
) -> None:
    acts(model, "act once only", "once")

    async def too_late() -> bool:
        (approval,) = await waiting(user, {"once"})
        path = f"/v1/approvals/{approval['id']}"
        (await user.post(path, json={"decision": "approve"})).raise_for_status()
        return True

    chat.answers = [too_late]
    words = words_of(await chat.lines("act once only", model="deputy"))
    assert words == "It was approved before, by uma.\n\nIt is done."
    assert deputy.deeds("once") == 1


async def test_a_chat_of_which_nothing_is_kept_is_asked_too(chat: Chat, model: ScriptedModel, deputy: Deputy) -> None:
    chat.chat_id = "temporary:dialog"
    acts(model, "act and forget", "forget")
    chat.answers = [True]
    assert words_of(await chat.lines("act and forget", model="deputy")).strip() == "It is done."
    assert deputy.deeds("forget") == 1


async def test_without_streaming_the_user_is_asked_too(chat: Chat, model: ScriptedModel, deputy: Deputy) -> None:
    acts(model, "act at once", "at-once")
    chat.answers = [True]
    assert str(await chat.whole("act at once", model="deputy")).strip() == "It is done."
    assert deputy.deeds("at-once") == 1


async def test_a_plain_caller_is_told_how_to_approve(chat: Chat, model: ScriptedModel, deputy: Deputy) -> None:
    acts(model, "act for nobody", "nobody")
    chat.chat_id = chat.message_id = None
    chat.answers = [True]
    assert "Reply `approve`" in words_of(await chat.lines("act for nobody", model="deputy"))
    assert (chat.dialogs, deputy.deeds("nobody")) == ([], 0)


async def test_a_title_is_written_while_a_question_is_open(chat: Chat, model: ScriptedModel, deputy: Deputy) -> None:
    acts(model, "act with a title", "title")
    words = words_of(await chat.lines("act with a title", model="deputy"))
    model.when(lambda request: request.schema_name == "title_generation", Replies.json({"title": "Deeds"}))
    chat.metadata["task"] = "title_generation"
    asked: list[Json] = [{"role": "user", "content": "act with a title"}, {"role": "assistant", "content": words}]
    chat.answers, chat.dialogs = [True], []
    assert await chat.whole(*asked, "approve", model="deputy") == '{"title": "Deeds"}'
    assert (chat.dialogs, deputy.deeds("title")) == ([], 0)
