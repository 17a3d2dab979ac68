"""The whole history is sent each time; nothing of it is stored twice, and what was changed becomes a branch."""

import httpx
import pytest

from tests.completions.asking import Said, ask, branches_of, content_of, count, messages_of, run_of
from tests.support.scripted_model import Replies, ScriptedModel, says

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

CHAT = "X-OpenWebUI-Chat-Id"


def answers(model: ScriptedModel, *pairs: tuple[str, str]) -> None:
    for question, words in pairs:
        model.when(says(question), Replies.text(words))


async def conversation_of(client: httpx.AsyncClient, answer: httpx.Response) -> str:
    conversation: str = (await run_of(client, answer))["conversation_id"]
    return conversation


async def test_a_plain_client_goes_on_in_its_conversation(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    answers(model, ("plain one", "First."), ("plain two", "Second."), ("plain three", "Third."))
    history: list[Said] = [("system", "Be kind."), ("user", "plain one")]
    conversations = set()
    for question in ("plain two", "plain three", None):
        answer = await ask(user, *history)
        conversations.add(await conversation_of(user, answer))
        history += [("assistant", content_of(answer))]
        history += [("user", question)] if question else []
    (conversation,) = conversations
    assert await branches_of(user, conversation) == [history]
    assert "Be kind." in (await model.requested(says("plain three"))).system


async def test_the_same_first_words_begin_another_conversation(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    answers(model, ("same words", "One."), ("same words", "Two."), ("after two", "Right."))
    first, second = [await ask(user, ("user", "same words")) for _ in range(2)]
    one, two = await conversation_of(user, first), await conversation_of(user, second)
    assert one != two
    after = await ask(user, ("user", "same words"), ("assistant", "Two."), ("user", "after two"))
    assert await conversation_of(user, after) == two


async def test_an_unknown_history_is_kept_in_a_conversation_of_its_own(
    model: ScriptedModel, user: httpx.AsyncClient
) -> None:
    answers(model, ("brought three", "Yes."))
    history: list[Said] = [
        ("user", "brought one"),
        ("assistant", "brought two"),
        ("developer", "Be short."),
        ("user", "brought three"),
    ]
    answer = await ask(user, *history)
    assert await branches_of(user, await conversation_of(user, answer)) == [
        [
            ("system", "Be short."),
            ("user", "brought one"),
            ("assistant", "brought two"),
            ("user", "brought three"),
            ("assistant", "Yes."),
        ]
    ]


async def test_histories_of_different_end_users_stay_apart(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    answers(model, ("end user one", "A."), ("end user two", "B."), ("end user two", "C."))
    first = await ask(user, ("user", "end user one"), user="u1")
    history = (("user", "end user one"), ("assistant", "A."), ("user", "end user two"))
    same, another = await ask(user, *history, user="u1"), await ask(user, *history, user="u2")
    assert await conversation_of(user, same) == await conversation_of(user, first)
    assert await conversation_of(user, another) != await conversation_of(user, first)


async def test_another_owner_never_comes_into_a_conversation(
    model: ScriptedModel, user: httpx.AsyncClient, other: httpx.AsyncClient
) -> None:
    answers(model, ("mine alone", "Yours."), ("and now", "Mine."))
    first = await ask(user, ("user", "mine alone"), headers={CHAT: "shared-id"})
    history = (("user", "mine alone"), ("assistant", "Yours."), ("user", "and now"))
    second = await ask(other, *history, headers={CHAT: "shared-id"})
    assert len(await messages_of(user, await conversation_of(user, first))) == 2
    assert len(await messages_of(other, await conversation_of(other, second))) == 4


async def test_a_chat_is_one_conversation_whatever_comes_back(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    """Open WebUI sends answers back changed: in pieces, with tool calls between them, without thoughts."""
    answers(model, ("chat one", "It is sunny."), ("chat two", "It rains."))
    first = await ask(user, ("user", "chat one"), headers={CHAT: "c-1"})
    second = await ask(
        user,
        ("user", "chat one"),
        {
            "role": "assistant",
            "content": "It is",
            "tool_calls": [{"id": "x", "type": "function", "function": {"name": "sky", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "x", "content": "blue"},
        ("assistant", "<b>sunny</b>"),
        ("user", "chat two"),
        headers={CHAT: "c-1"},
    )
    conversation = await conversation_of(user, first)
    assert await conversation_of(user, second) == conversation
    assert await branches_of(user, conversation) == [
        [("user", "chat one"), ("assistant", "It is sunny."), ("user", "chat two"), ("assistant", "It rains.")]
    ]


async def test_asking_again_makes_a_second_answer_to_the_same_message(
    model: ScriptedModel, user: httpx.AsyncClient
) -> None:
    answers(model, ("roll the dice", "Three."), ("roll the dice", "Five."), ("and again?", "No."))
    headers = {CHAT: "c-regenerate"}
    first = await ask(user, ("user", "roll the dice"), headers=headers)
    await ask(user, ("user", "roll the dice"), headers=headers)
    # The client now shows the first answer again and goes on from there.
    await ask(user, ("user", "roll the dice"), ("assistant", "Three."), ("user", "and again?"), headers=headers)
    conversation = await conversation_of(user, first)
    assert sorted(await branches_of(user, conversation)) == [
        [("user", "roll the dice"), ("assistant", "Five.")],
        [("user", "roll the dice"), ("assistant", "Three."), ("user", "and again?"), ("assistant", "No.")],
    ]
    assert await count(user, f"/v1/conversations/{conversation}/runs") == 3


async def test_an_edited_message_is_a_branch_and_its_run_sees_no_other(
    model: ScriptedModel, user: httpx.AsyncClient
) -> None:
    answers(model, ("edit one", "Ok."), ("edit two, frist", "Typo."), ("edit two, first", "Better."))
    headers = {CHAT: "c-edit"}
    first = await ask(user, ("user", "edit one"), headers=headers)
    for question in ("edit two, frist", "edit two, first"):
        await ask(user, ("user", "edit one"), ("assistant", "Ok."), ("user", question), headers=headers)
    assert sorted(await branches_of(user, await conversation_of(user, first))) == [
        [("user", "edit one"), ("assistant", "Ok."), ("user", "edit two, first"), ("assistant", "Better.")],
        [("user", "edit one"), ("assistant", "Ok."), ("user", "edit two, frist"), ("assistant", "Typo.")],
    ]
    seen = await model.requested(says("edit two, first"))
    assert [message["content"] for message in seen.messages if message["role"] != "system"] == [
        "edit one",
        "Ok.",
        "edit two, first",
    ]


async def test_an_edited_first_message_is_a_branch_from_the_start(
    model: ScriptedModel, user: httpx.AsyncClient
) -> None:
    answers(model, ("start wrong", "Hm."), ("start right", "Good."))
    headers = {CHAT: "c-first"}
    first = await ask(user, ("user", "start wrong"), headers=headers)
    await ask(user, ("user", "start right"), headers=headers)
    assert sorted(await branches_of(user, await conversation_of(user, first))) == [
        [("user", "start right"), ("assistant", "Good.")],
        [("user", "start wrong"), ("assistant", "Hm.")],
    ]


async def test_of_standing_words_that_change_only_the_last_are_meant(
    model: ScriptedModel, user: httpx.AsyncClient
) -> None:
    answers(model, ("clock one", "a"), ("clock two", "b"), ("clock three", "c"))
    headers = {CHAT: "c-clock"}
    history: list[Said] = []
    conversations: set[str] = set()
    for question, words, minute in (("clock one", "a", 1), ("clock two", "b", 2), ("clock three", "c", 2)):
        history += [("user", question)]
        answer = await ask(user, ("system", f"It is 10:0{minute}."), *history, headers=headers)
        conversations.add(await conversation_of(user, answer))
        history += [("assistant", words)]
    (conversation,) = conversations
    (branch,) = await branches_of(user, conversation)
    assert [said for said in branch if said[0] != "system"] == history
    assert [said for said in branch if said[0] == "system"] == [("system", "It is 10:01."), ("system", "It is 10:02.")]
    system = (await model.requested(says("clock three"))).system
    assert "10:02" in system
    assert "10:01" not in system


@pytest.mark.parametrize("named", ["", '<attached_files>\n<file name="garden.md"/>\n</attached_files>\n\n'])
async def test_a_file_before_the_question_does_not_make_another_message_of_it(
    model: ScriptedModel, user: httpx.AsyncClient, named: str
) -> None:
    answers(model, ("what does it say", "Tulips."), ("thank you, gardener", "Welcome."))
    headers = {CHAT: f"c-file-{len(named)}"}
    wrapped = f"{named}### Task:\nUse the context.\n<context>\ntulips\n</context>\n\nwhat does it say"
    first = await ask(user, ("user", wrapped), headers=headers)
    history = (("user", f"{named}what does it say"), ("assistant", "Tulips."), ("user", "thank you, gardener"))
    await ask(user, *history, headers=headers)
    assert await branches_of(user, await conversation_of(user, first)) == [
        [
            ("user", wrapped),
            ("assistant", "Tulips."),
            ("user", "thank you, gardener"),
            ("assistant", "Welcome."),
        ]
    ]


async def test_a_temporary_chat_leaves_nothing_to_go_on_from(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    answers(model, ("forget one", "Gone."), ("forget two", "Also."))
    headers = {CHAT: "temporary:1"}
    first = await ask(user, ("user", "forget one"), headers=headers)
    history = (("user", "forget one"), ("assistant", "Gone."), ("user", "forget two"))
    second = await ask(user, *history, headers=headers)
    one, two = await conversation_of(user, first), await conversation_of(user, second)
    assert one != two
    assert (await user.get(f"/v1/conversations/{two}")).json()["metadata"] == {"temporary": "true"}


async def test_the_beginning_of_an_answer_is_not_carried_on(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    answers(model, ("finish this", "All of it."))
    answer = await ask(user, ("user", "finish this"), ("assistant", "All o"))
    assert await branches_of(user, await conversation_of(user, answer)) == [
        [("user", "finish this"), ("assistant", "All of it.")]
    ]
