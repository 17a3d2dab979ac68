"""What is sent, to the letter: chunks, objects, errors."""

import asyncio
import json

import httpx
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from server.completions import objects
from tests.completions.asking import ask, lines_of, run_of, words_of
from tests.http.serving import Json, Served
from tests.support.scripted_model import Replies, ScriptedModel, says

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_stream_to_the_letter(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(says("letter by letter"), Replies.text("Hi ").costing(4, 1))
    options = {"include_usage": True}
    answer = await ask(user, ("user", "letter by letter"), stream=True, stream_options=options)
    run = await run_of(user, answer)
    lines = lines_of(answer)
    head = {
        "id": f"chatcmpl-{run['id']}",
        "object": "chat.completion.chunk",
        "created": lines[0]["created"],
        "model": "general",
        "system_fingerprint": None,
    }

    def chunk(delta: Json, finish_reason: str | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return {**head, "choices": [choice], "usage": None}

    assert lines == [
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "Hi "}),
        chunk({}, "stop"),
        {**head, "choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 1, "total_tokens": 5}},
    ]
    assert answer.text.endswith("\n\ndata: [DONE]\n\n")
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert isinstance(lines[0]["created"], int)
    for line in lines:
        ChatCompletionChunk.model_validate(line, strict=True)
        objects.ChatCompletionChunk.model_validate(line)


async def test_usage_is_not_streamed_unasked(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(says("no usage"), Replies.text("ok"))
    lines = lines_of(await ask(user, ("user", "no usage"), stream=True))
    assert [line for line in lines if "usage" in line] == []
    assert all(line["choices"] for line in lines)


async def test_a_whole_answer_to_the_letter(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(says("all at once"), Replies.text("Hello.").costing(4, 1))
    answer = await ask(user, ("user", "all at once"))
    run = await run_of(user, answer)
    body = answer.json()
    assert body == {
        "id": f"chatcmpl-{run['id']}",
        "object": "chat.completion",
        "created": body["created"],
        "model": "general",
        "system_fingerprint": None,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello.", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 4, "completion_tokens": 1, "total_tokens": 5},
    }
    ChatCompletion.model_validate(body, strict=True)
    objects.ChatCompletion.model_validate(body)
    assert run["status"] == "completed"


async def test_a_plain_client_is_never_shown_tools_or_thoughts(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(says("think and count"), Replies.tool("calculator__calculate", {"expression": "1+1"}).thinking("Hmm."))
    model.when(says("think and count"), Replies.text("Two."))
    lines = lines_of(await ask(user, ("user", "think and count"), model="tool-agent", stream=True))
    assert words_of(lines) == "Two."
    assert {line["object"] for line in lines} == {"chat.completion.chunk"}
    assert {key for line in lines for key in line["choices"][0]["delta"]} == {"role", "content"}


async def test_a_failed_run_ends_its_stream_with_an_error_line(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(says("fail in the stream"), Replies.error(400, "no such thing"))
    answer = await ask(user, ("user", "fail in the stream"), stream=True)
    run = await run_of(user, answer)
    assert lines_of(answer)[-1] == {
        "error": {
            "message": run["error"]["detail"],
            "type": "server_error",
            "param": None,
            "code": run["error"]["code"],
        }
    }
    assert "[DONE]" not in answer.text


async def test_a_run_cancelled_by_another_hand_ends_its_stream(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(says("cancel from outside"), Replies.text("a", "b").held(asyncio.Event(), after=1))
    asking = asyncio.create_task(ask(user, ("user", "cancel from outside"), stream=True))
    await model.requested(says("cancel from outside"))
    (conversation,) = (await user.get("/v1/conversations", params={"limit": 1})).json()["data"]
    (run,) = (await user.get(f"/v1/conversations/{conversation['id']}/runs")).json()["data"]
    await user.post(f"/v1/runs/{run['id']}/cancel")
    assert lines_of(await asking)[-1]["error"]["code"] == "run_cancelled"


def check_refusal(answer: httpx.Response, status: int, code: str, param: str | None = None) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Request-Id"]
    (error,) = answer.json().values()
    assert list(error) == ["message", "type", "param", "code"]
    assert error["message"]
    assert (error["param"], error["code"]) == (param, code)
    assert error["type"] == ("server_error" if status >= 500 else "invalid_request_error")


async def test_a_missing_or_wrong_key_is_refused_in_openais_words(nobody: httpx.AsyncClient, served: Served) -> None:
    check_refusal(await nobody.get("/v1/models"), 401, "invalid_api_key")
    async with served.client("sk-wrong") as stranger:
        answer = await ask(stranger, ("user", "hello"))
    check_refusal(answer, 401, "invalid_api_key")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", ["/v1/models/nothing", "/v1/models/a/b", "/v1/models/" + "x" * 300])
async def test_a_model_that_is_not_there_is_404_with_openais_error_object(user: httpx.AsyncClient, path: str) -> None:
    answer = await user.get(path)
    assert answer.status_code == 404
    assert list(answer.json()["error"]) == ["message", "type", "param", "code"]


async def test_an_unknown_model_is_named(user: httpx.AsyncClient) -> None:
    check_refusal(await ask(user, ("user", "hi"), model="gpt-9"), 404, "model_not_found", "model")


async def test_a_wrong_method_is_refused_in_openais_words(user: httpx.AsyncClient) -> None:
    check_refusal(await user.get("/v1/chat/completions"), 405, "method_not_allowed")


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [(b"{", 400, "malformed_json"), (b"\xff", 400, "invalid_utf8"), (b"[]", 422, "invalid_request")],
)
async def test_a_broken_body_is_refused_by_name(
    user: httpx.AsyncClient, content: bytes, status: int, code: str
) -> None:
    answer = await user.post("/v1/chat/completions", content=content, headers={"Content-Type": "application/json"})
    check_refusal(answer, status, code)


async def test_a_body_over_the_cap_is_refused(served: Served, user: httpx.AsyncClient) -> None:
    content = b" " * (served.settings.max_body_bytes + 1)
    answer = await user.post("/v1/chat/completions", content=content, headers={"Content-Type": "application/json"})
    check_refusal(answer, 413, "body_too_large")


@pytest.mark.parametrize(
    ("messages", "code", "param"),
    [
        ([], "invalid_request", "messages"),
        ([{"role": "king", "content": "x"}], "invalid_request", "messages.0.role"),
        ([{"role": "user", "content": 7}], "invalid_request", None),
        ([{"role": "system", "content": "x"}], "no_user_message", "messages"),
        (
            [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}],
            "unsupported_content_part",
            "messages.0.content.0",
        ),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,raw"}}]}],
            "unsupported_attachment",
            "messages.0.content.0",
        ),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}],
            "unsupported_attachment",
            "messages.0.content.0",
        ),
    ],
)
async def test_messages_that_cannot_be_answered(
    user: httpx.AsyncClient, messages: list[Json], code: str, param: str | None
) -> None:
    answer = await ask(user, *messages)
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == code
    if param:
        assert answer.json()["error"]["param"] == param


async def test_a_file_is_read_with_its_question(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    model.when(says("sum up the notes"), Replies.text("Notes."))
    file = {"filename": "notes.txt", "file_data": "data:text/plain;base64,dHVsaXBz"}
    parts = [{"type": "text", "text": "sum up the notes"}, {"type": "file", "file": file}]
    answer = await ask(user, {"role": "user", "content": parts})
    assert answer.status_code == 200
    assert "tulips" in json.dumps((await model.requested(says("sum up the notes"))).messages)


async def test_models_have_the_names_that_people_know(user: httpx.AsyncClient) -> None:
    names = {model["id"]: model["name"] for model in (await user.get("/v1/models")).json()["data"]}
    assert (names["open-agent"], names["sql-agent"]) == ("open-agent", "SQL agent")
    assert (await user.get("/v1/models/sql-agent")).json()["name"] == "SQL agent"


async def test_limits_are_taken_from_body_and_header_and_the_tightest_wins(
    model: ScriptedModel, user: httpx.AsyncClient
) -> None:
    model.always(says("within limits"), Replies.text("word").costing(50, 50))
    header = {"X-Open-Agent-Limits": "seconds=30, tokens=90"}
    both = await ask(user, ("user", "within limits"), headers=header, limits={"tokens": 60})
    assert both.status_code == 500
    assert both.json()["error"]["code"] == "budget_exceeded"
    assert "tokens = 60, set by the request" in both.json()["error"]["message"]
    alone = await ask(user, ("user", "within limits, by header"), headers=header)
    assert "tokens = 90" in alone.json()["error"]["message"]
    assert (await ask(user, ("user", "within limits, freely"), limits=None)).status_code == 200


async def test_a_number_is_not_taken_for_a_yes(user: httpx.AsyncClient) -> None:
    answer = await ask(user, ("user", "hello"), stream_options={"include_usage": 0})
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "stream_options.include_usage")


@pytest.mark.parametrize("said", ["words=3", "tokens", "tokens=none", "seconds=-1"])
async def test_limits_in_a_header_that_are_none_are_refused_with_what_to_write(
    user: httpx.AsyncClient, said: str
) -> None:
    answer = await ask(user, ("user", "hello"), headers={"X-Open-Agent-Limits": said})
    assert answer.status_code == 422
    assert "is no limit" in answer.json()["error"]["message"]
