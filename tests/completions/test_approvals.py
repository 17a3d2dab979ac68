"""A run that waits for a person asks in the chat. The reply is an answer; what only sounds like one is not."""

from collections.abc import Mapping

import httpx
import pytest

from tests.completions.asking import Said, ask, branches_of, content_of, lines_of, run_of, words_of
from tests.completions.deputy import Deputy, acts, waiting
from tests.http.serving import Json, ended
from tests.support.scripted_model import Replies, ScriptedModel, says

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

CHAT = "X-OpenWebUI-Chat-Id"
NOT_TAKEN = "A tool call of this chat still waits for you, so this message was not taken up."


class Chatting:
    """A client that sends its whole history each time."""

    def __init__(self, client: httpx.AsyncClient, headers: Mapping[str, str]) -> None:
        self.client, self.headers = client, dict(headers)
        self.history: list[Said] = []
        self.last: httpx.Response | None = None

    async def say(self, words: str, **more: object) -> str:
        self.history.append(("user", words))
        self.last = await ask(self.client, *self.history, headers=self.headers, model="deputy", **more)
        said = words_of(lines_of(self.last)) if more.get("stream") else content_of(self.last)
        self.history.append(("assistant", said))
        return said

    async def run(self) -> Json:
        assert self.last is not None
        return await run_of(self.client, self.last)


WAYS = {"plain": {}, "keyed": {CHAT: "approvals-{name}"}, "temporary": {CHAT: "temporary:{name}"}}


@pytest.fixture(params=WAYS)
def chat(user: httpx.AsyncClient, request: pytest.FixtureRequest, deputy: Deputy) -> Chatting:
    name = f"{request.node.originalname}-{request.param}"
    return Chatting(user, {header: text.format(name=name) for header, text in WAYS[request.param].items()})


async def test_an_approval_in_the_chat_is_gone_on_with_in_the_next_answer(
    chat: Chatting, model: ScriptedModel, deputy: Deputy, request: pytest.FixtureRequest
) -> None:
    way = request.node.callspec.params["chat"]
    key, question = f"approve-{way}", f"please act {way}"
    acts(model, question, key, answer="It is done.")
    model.when(says(f"what now {way}"), Replies.text("Nothing more."))
    asked = await chat.say(question)
    assert asked.startswith("**Approval needed:** deputy wants to call `acting__act`")
    assert f'"key": "{key}"' in asked
    assert "Reply `approve` or `reject: why`; with `edit: {…}` the call is made with other arguments." in asked
    first = await chat.run()
    assert (first["status"], deputy.deeds(key)) == ("requires_action", 0)

    assert await chat.say("Approve ", stream=True) == "It is done."
    second = await chat.run()
    assert (second["id"], second["status"], deputy.deeds(key)) == (first["id"], "completed", 1)

    assert await chat.say(f"what now {way}") == "Nothing more."
    third = await chat.run()
    said: list[Said] = [("user", question), ("assistant", "It is done.")]
    whole = [*said, ("user", f"what now {way}"), ("assistant", "Nothing more.")]
    assert await branches_of(chat.client, third["conversation_id"]) == [whole]
    assert (third["conversation_id"] == first["conversation_id"]) is (way != "temporary")
    sent = await model.requested(says(f"what now {way}"))
    assert [each["content"] for each in sent.messages if each["role"] != "system"] == [words for _, words in whole[:-1]]


async def test_a_rejection_reaches_the_model_with_its_reason(
    user: httpx.AsyncClient, model: ScriptedModel, deputy: Deputy
) -> None:
    chat = Chatting(user, {})
    acts(model, "act rashly", "rash", answer="Then not.")
    await chat.say("act rashly")
    assert await chat.say("reject: not on\na Friday") == "Then not."
    (request, *_) = [each for each in model.requests if says("act rashly")(each) and each.tool_results]
    assert "not on\na Friday" in request.tool_results[0]
    assert deputy.deeds("rash") == 0


async def test_an_edit_makes_the_call_with_other_arguments(
    user: httpx.AsyncClient, model: ScriptedModel, deputy: Deputy
) -> None:
    chat = Chatting(user, {CHAT: "approvals-edit"})
    acts(model, "act wrongly", "wrong")
    await chat.say("act wrongly")
    assert (await chat.say('edit: {"key": 7}')).partition("\n")[0] != "It is done."
    assert (await chat.say("edit: nonsense")).startswith("After `edit:` comes one JSON object")
    assert await chat.say('edit: {"key": "right"}') == "It is done."
    assert (deputy.deeds("wrong"), deputy.deeds("right")) == (0, 1)


async def test_what_only_sounds_like_a_yes_neither_approves_nor_loses_anything(
    user: httpx.AsyncClient, model: ScriptedModel, deputy: Deputy
) -> None:
    chat = Chatting(user, {})
    acts(model, "act for sure", "sure")
    asked = await chat.say("act for sure")
    for words in ("yes", "approve!", "approve it", "I approve", "approve: if it is safe", "approved", "edit"):
        assert await chat.say(words) == f"{NOT_TAKEN}\n\n{asked}"
    run = await chat.run()
    assert (run["status"], deputy.deeds("sure")) == ("requires_action", 0)
    assert await chat.say("approve") == "It is done."
    assert await branches_of(user, run["conversation_id"]) == [[("user", "act for sure"), ("assistant", "It is done.")]]
    assert deputy.deeds("sure") == 1


async def test_of_several_calls_each_is_named(user: httpx.AsyncClient, model: ScriptedModel, deputy: Deputy) -> None:
    chat = Chatting(user, {CHAT: "approvals-several"})
    acts(model, "act twice", "left", "right-hand")
    both = await chat.say("act twice")
    left, right = await waiting(user, {"left", "right-hand"})
    names = [each["id"][-6:] for each in (left, right)]
    assert all(f"Reply `approve {name}` or `reject {name}: why`; with `edit {name}: {{…}}`" in both for name in names)
    assert (await chat.say("approve")).startswith("Say which call you mean: `approve ")
    one = await chat.say(f"approve {names[1].upper()}")
    assert (left["id"] in one, right["id"] in one) == (True, False)
    assert deputy.deeds("right-hand") == 0  # the model turn goes on when nothing is open any more
    assert await chat.say("reject: one is enough") == "It is done."
    assert (deputy.deeds("left"), deputy.deeds("right-hand")) == (0, 1)


async def test_an_answer_that_came_elsewhere_first_is_said_and_the_run_goes_on(
    user: httpx.AsyncClient, model: ScriptedModel, deputy: Deputy
) -> None:
    tab = Chatting(user, {CHAT: "approvals-tabs"})
    acts(model, "act in two tabs", "tabs")
    await tab.say("act in two tabs")
    other = Chatting(user, tab.headers)
    other.history = [*tab.history]
    assert await tab.say("approve") == "It is done."
    assert await other.say("approve") == "It was approved before, by uma.\n\nIt is done."
    assert deputy.deeds("tabs") == 1


async def test_what_was_answered_elsewhere_while_the_chat_was_closed_is_in_its_history(
    user: httpx.AsyncClient, model: ScriptedModel, deputy: Deputy
) -> None:
    chat, question = Chatting(user, {CHAT: "approvals-away"}), "what came of it (away)"
    acts(model, "act while away", "away")
    await chat.say("act while away")
    run_id = (await chat.run())["id"]
    (asked,) = (await user.get("/v1/approvals", params={"run_id": run_id})).json()["data"]
    (await user.post(f"/v1/approvals/{asked['id']}", json={"decision": "approve"})).raise_for_status()
    assert (await ended(user, run_id))["status"] == "completed"

    model.when(says(question), Replies.text("All of it."))
    assert await chat.say(question) == "All of it."
    sent = await model.requested(says(question))
    said = [each["content"] for each in sent.messages if each["role"] != "system"]
    assert said == ["act while away", "It is done.", question]


async def test_nobody_approves_what_their_history_does_not_show(
    user: httpx.AsyncClient, other: httpx.AsyncClient, model: ScriptedModel, deputy: Deputy
) -> None:
    chat = Chatting(user, {})
    acts(model, "act in secret", "secret")
    asked = await chat.say("act in secret")
    model.when(says("approve"), *[Replies.text("Approve what?")] * 3)
    for client, before in (
        (other, chat.history),
        (user, [("user", "another question"), ("assistant", asked)]),
        (user, [("user", "act in secret"), ("assistant", "I would like to act.")]),
    ):
        answer = await ask(client, *before, ("user", "approve"), model="general")
        assert content_of(answer) == "Approve what?"
    assert (await chat.run())["status"] == "requires_action"
    assert deputy.deeds("secret") == 0
    assert await chat.say("reject") == "It is done."


async def test_titles_and_tags_are_no_replies(user: httpx.AsyncClient, model: ScriptedModel, deputy: Deputy) -> None:
    chat = Chatting(user, {CHAT: "approvals-task"})
    acts(model, "act untitled", "untitled")
    await chat.say("act untitled")
    model.when(lambda request: request.schema_name == "title_generation", Replies.json({"title": "A deed"}))
    headers = {**chat.headers, "X-OpenWebUI-Task": "title_generation"}
    titled = await ask(user, *chat.history, ("user", "approve"), headers=headers, model="deputy")
    assert content_of(titled) == '{"title": "A deed"}'
    assert (await chat.run())["status"] == "requires_action"
    assert await chat.say("reject") == "It is done."


async def test_a_question_in_another_branch_does_not_hang_behind_the_waiting_run(
    user: httpx.AsyncClient, model: ScriptedModel, deputy: Deputy
) -> None:
    chat = Chatting(user, {CHAT: "approvals-branch"})
    acts(model, "act before the edit", "branch")
    asked = await chat.say("act before the edit")
    chat.history.clear()
    assert await chat.say("an edited question") == f"{NOT_TAKEN}\n\n{asked}"
    model.when(says("never mind"), Replies.text("Gladly."))
    chat.history.clear()
    chat.headers["X-Open-Agent-Multitask"] = "interrupt"
    assert await chat.say("never mind") == "Gladly."
    assert deputy.deeds("branch") == 0


async def test_a_reply_that_is_sent_again_with_its_key_acts_once(
    user: httpx.AsyncClient, model: ScriptedModel, deputy: Deputy
) -> None:
    chat = Chatting(user, {})
    acts(model, "act by key", "keyed")
    await chat.say("act by key")
    before = [*chat.history]
    chat.headers["Idempotency-Key"] = "approve-once"
    for _ in range(2):
        chat.history = [*before]
        assert await chat.say("approve", stream=True) == "It is done."
    assert deputy.deeds("keyed") == 1


async def test_arguments_cannot_leave_their_block_nor_hide_anything(
    user: httpx.AsyncClient, model: ScriptedModel, deputy: Deputy
) -> None:
    chat = Chatting(user, {})
    hostile = "```\n**harmless** <b>\u202e\u200b" + "x" * 5_000
    acts(model, "act in disguise", hostile, answer="Then not.")
    asked = await chat.say("act in disguise")
    assert '````json\n{\n  "key": "```\\n**harmless** <b>\\u202e\\u200bxxx' in asked
    assert "**Cut at 4000 characters:** read all of it before you approve." in asked
    assert await chat.say("reject") == "Then not."
