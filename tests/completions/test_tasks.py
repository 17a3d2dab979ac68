"""Open WebUI's background tasks: one plain model call each, never a run, and nothing kept."""

import json
from pathlib import Path

import httpx
import pytest

from config.checkout import CHECKOUT
from tests.completions.asking import ask, content_of, count, lines_of, messages_of, run_of, words_of
from tests.http.serving import USER_KEY, Json, build_settings, open_served
from tests.support.scripted_model import Replies, ScriptedModel, ScriptedRequest, says
from tests.support.scripted_replies import Match

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHAT = {"X-OpenWebUI-Chat-Id": "c-recorded", "X-OpenWebUI-User-Id": "u-7"}
TITLE = "### Task:\nGenerate a concise title.\n<chat_history>\nUSER: which tulips?\n</chat_history>"
TAGS = "### Task:\nGenerate 1-3 broad tags.\n<chat_history>\nUSER: which tulips?\n</chat_history>"
MORE = "### Task:\nSuggest 3 follow-ups.\n<chat_history>\nUSER: which tulips?\n</chat_history>"
BUILT_IN: list[Json] = [{"type": "function", "function": {"name": "search_chats", "parameters": {}}}]


def schema_is(name: str, holds: str = "") -> Match:
    def match(request: ScriptedRequest) -> bool:
        return request.schema_name == name and holds in request.last_user

    return match


async def test_one_question_with_title_tags_and_follow_ups_is_one_run(
    model: ScriptedModel, user: httpx.AsyncClient
) -> None:
    """The four requests that the real Open WebUI sends for the first question of a chat, in its order."""
    model.when(schema_is("title_generation"), Replies.json({"title": "Tulips"}))
    model.when(says("which tulips?"), Replies.text("Red ones."))
    model.when(schema_is("follow_up_generation"), Replies.json({"follow_ups": ["When?"]}))
    model.when(schema_is("tags_generation"), Replies.json({"tags": ["garden"]}))
    before = await count(user, "/v1/conversations")

    async def task(name: str, prompt: str) -> Json:
        headers = {**CHAT, "X-OpenWebUI-Task": name}
        answer = await ask(user, ("user", prompt), model="open-agent", stream=False, headers=headers)
        assert "X-Open-Agent-Run-Id" not in answer.headers
        written: Json = json.loads(content_of(answer))
        return written

    assert await task("title_generation", TITLE) == {"title": "Tulips"}
    headers = {**CHAT, "X-OpenWebUI-Task": ""}
    answer = await ask(user, ("user", "which tulips?"), stream=True, tools=BUILT_IN, headers=headers)
    assert words_of(lines_of(answer)) == "Red ones."
    assert await task("follow_up_generation", MORE) == {"follow_ups": ["When?"]}
    assert await task("tags_generation", TAGS) == {"tags": ["garden"]}

    conversation = (await run_of(user, answer))["conversation_id"]
    assert await count(user, "/v1/conversations") == before + 1
    assert await count(user, f"/v1/conversations/{conversation}/runs") == 1
    assert [each["content"] for each in await messages_of(user, conversation)] == ["which tulips?", "Red ones."]


async def test_a_task_without_a_shape_is_answered_in_words(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(says("one emoji for this"), Replies.text("🌷").costing(3, 1))
    headers = {"X-OpenWebUI-Task": "emoji_generation"}
    answer = await ask(user, ("system", "Only one."), ("user", "one emoji for this"), headers=headers)
    assert content_of(answer) == "🌷"
    assert answer.json()["usage"] == {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    request = await model.requested(says("one emoji for this"))
    assert [message["content"] for message in request.messages] == ["Only one.", "one emoji for this"]
    assert request.tools == []


async def test_a_task_may_be_streamed(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(schema_is("query_generation", "stream the queries"), Replies.json({"queries": []}))
    headers = {"X-OpenWebUI-Task": "query_generation"}
    answer = await ask(user, ("user", "stream the queries"), stream=True, headers=headers)
    assert json.loads(words_of(lines_of(answer))) == {"queries": []}
    assert answer.text.endswith("data: [DONE]\n\n")


async def test_a_template_that_was_not_filled_is_no_task(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(says("an honest question"), Replies.text("An answer."))
    answer = await ask(user, ("user", "an honest question"), headers={"X-OpenWebUI-Task": "{{TASK}}"})
    assert (await run_of(user, answer))["status"] == "completed"


async def test_a_question_that_looks_like_a_task_is_a_question(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(says("### task:\nrespond"), Replies.text("An answer."))
    answer = await ask(user, ("user", "### Task:\nRespond to the query.\n<context>x</context>\nwhy?"))
    assert (await run_of(user, answer))["status"] == "completed"


async def test_a_long_chat_is_cut_to_what_the_model_reads(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(schema_is("title_generation", "a very long chat"), Replies.json({"title": "Long"}))
    headers = {"X-OpenWebUI-Task": "title_generation"}
    answer = await ask(user, ("user", "a very long chat " + "words " * 160_000), headers=headers)
    assert json.loads(content_of(answer)) == {"title": "Long"}
    request = await model.requested(schema_is("title_generation", "a very long chat"))
    assert len(request.last_user) < 900_000


async def test_a_task_that_fails_says_why(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.always(schema_is("tags_generation", "fail these tags"), Replies.error(400, "no such thing"))
    answer = await ask(user, ("user", "fail these tags"), headers={"X-OpenWebUI-Task": "tags_generation"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "model_rejected")


@pytest.mark.slow
async def test_the_model_called_fast_does_the_tasks(model: ScriptedModel, tmp_path: Path) -> None:
    shipped = (CHECKOUT / "config" / "agents.yaml").read_text()
    agents = tmp_path / "agents.yaml"
    agents.write_text(shipped.replace("models: {}", "models: {fast: openai:quick}"))
    model.when(schema_is("title_generation", "quickly, please"), Replies.json({"title": "Quick"}))
    settings = build_settings(tmp_path / "data", model.base_url, agents_file=agents, mcp_servers='{"mcpServers": {}}')
    async with open_served(settings) as served, served.client(USER_KEY) as client:
        headers = {"X-OpenWebUI-Task": "title_generation"}
        assert json.loads(content_of(await ask(client, ("user", "quickly, please"), headers=headers)))
    assert (await model.requested(schema_is("title_generation", "quickly, please"))).body["model"] == "quick"
