"""What the pipe sends, and what it makes of a server that is no open-agent, falls silent, or breaks off."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import jwt
import pytest
from aiohttp import web

from tests.open_webui.asking import Chat, Json, error_of, load_pipe, words_of

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
SECRET = "a-secret-that-both-sides-know-and-nobody-else"


def said(word: str) -> bytes:
    return b'data: {"choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":null}]}\n\n' % word.encode()


@contextlib.asynccontextmanager
async def talking_to(answer: Answer) -> AsyncIterator[Chat]:
    """A chat whose open-agent answers every completion so."""
    app = web.Application(client_max_size=10**8)
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        pipe = load_pipe().Pipe()
        pipe.valves = pipe.Valves(BASE_URL=f"http://127.0.0.1:{runner.addresses[0][1]}", API_KEY="the-key")
        yield Chat(pipe)
    finally:
        await runner.cleanup()


def streaming(*pieces: bytes, whole: bool = True) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        if not whole and request.transport is not None:
            request.transport.close()
        return response

    return answer


async def requested(chat: Chat, seen: list[tuple[web.Request, Json]]) -> tuple[web.Request, Json]:
    await chat.lines("hello")
    return seen[-1]


def keeping(seen: list[tuple[web.Request, Json]]) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append((request, await request.json()))
        return await streaming(b"data: [DONE]\n\n")(request)

    return answer


async def test_the_request_says_who_asks_in_which_chat_and_nothing_else() -> None:
    seen: list[tuple[web.Request, Json]] = []
    async with talking_to(keeping(seen)) as chat:
        chat.metadata["user_message_id"] = "message-0"
        request, body = await requested(chat, seen)
    headers = {name: text for name, text in request.headers.items() if name.startswith(("X-", "Authorization"))}
    assert headers == {
        "Authorization": "Bearer the-key",
        "X-OpenWebUI-Chat-Id": "chat-1",
        "X-OpenWebUI-Message-Id": "message-1",
        "X-OpenWebUI-User-Message-Id": "message-0",
        "X-OpenWebUI-User-Id": "u1",
        "X-OpenWebUI-User-Name": "Zo%C3%AB",
        "X-OpenWebUI-User-Email": "zoe@example.com",
        "X-OpenWebUI-User-Role": "user",
        "X-Open-Agent-Rich": "1",
        "X-Open-Agent-Asks": "1",
        "X-Open-Agent-On-Disconnect": "cancel",
    }
    assert body == {
        "model": "general",
        "messages": [{"role": "user", "content": "hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_with_a_secret_the_user_is_named_by_a_signed_token() -> None:
    seen: list[tuple[web.Request, Json]] = []
    async with talking_to(keeping(seen)) as chat:
        chat.pipe.valves.USER_TOKEN_SECRET = SECRET
        request, _ = await requested(chat, seen)
    claims = jwt.decode(request.headers["X-OpenWebUI-User-Jwt"], SECRET, algorithms=["HS256"], issuer="open-webui")
    assert (claims["sub"], claims["role"], claims["exp"] - claims["iat"]) == ("u1", "user", 300)
    assert "X-OpenWebUI-User-Id" not in request.headers


async def test_the_entry_of_an_unreachable_server_asks_the_router() -> None:
    """It may be back by now, while Open WebUI still shows the old list."""
    seen: list[tuple[web.Request, Json]] = []
    async with talking_to(keeping(seen)) as chat:
        await chat.lines("hello", model="unreachable")
    assert seen[0][1]["model"] == "open-agent"


async def test_images_and_the_text_of_files_go_along_as_open_webui_set_them() -> None:
    seen: list[tuple[web.Request, Json]] = []
    text = "<context>\n<source>Tulips on Tuesdays.</source>\n</context>\n\nWhen?"
    parts: list[Json] = [
        {"type": "text", "text": text},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
    ]
    async with talking_to(keeping(seen)) as chat:
        await chat.lines({"role": "user", "content": parts})
    assert seen[0][1]["messages"][0]["content"] == parts


async def test_signs_of_life_are_passed_on_while_a_tool_is_silent() -> None:
    async with talking_to(streaming(said("a"), b": ping\n\n", b": ping\n\n", said("b"), b"data: [DONE]\n\n")) as chat:
        lines = await chat.lines("hello")
    assert (len(lines), words_of(lines)) == (4, "ab")


async def test_only_events_that_are_shown_reach_open_webui() -> None:
    """It would run an `execute` as code in the user's browser."""
    event = b'data: {"event":{"type":"execute","data":{"code":"alert(1)"}}}\n\n'
    async with talking_to(streaming(event, said("a"), b"data: [DONE]\n\n")) as chat:
        lines = await chat.lines("hello")
    assert (words_of(lines), len(lines), chat.events) == ("a", 1, [])


async def test_a_line_may_be_long() -> None:
    async with talking_to(streaming(said("x" * 3_000_000), b"data: [DONE]\n\n")) as chat:
        assert len(words_of(await chat.lines("hello"))) == 3_000_000


@pytest.mark.parametrize("whole", [True, False])
async def test_a_stream_that_breaks_off_keeps_its_words(whole: bool) -> None:
    async with talking_to(streaming(said("Some words"), whole=whole)) as chat:
        lines = await chat.lines("hello")
    assert words_of(lines) == "Some words"
    assert error_of(lines) == "The connection to open-agent broke off before the answer was complete."


async def test_garbage_keeps_the_words_before_it() -> None:
    async with talking_to(streaming(said("Some words"), b"data: {oops\n\n")) as chat:
        lines = await chat.lines("hello")
    assert (words_of(lines), "log says why" in error_of(lines)) == ("Some words", True)


async def test_a_server_that_is_no_open_agent_is_named() -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=502, text="<html>Bad Gateway</html>")

    async with talking_to(answer) as chat:
        assert "status 502; does BASE_URL" in error_of(await chat.lines("hello"))
