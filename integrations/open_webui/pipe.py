"""
title: open-agent
author: open-agent
version: 0.1.0
required_open_webui_version: 0.6.0
license: Apache-2.0
description: Chat with open-agent's router and agents: each step, tool call and source is shown as it happens.
"""

# One file that runs inside Open WebUI, with nothing but what that ships. It is thin on purpose: how a run is told, and
# what users are asked, is open-agent's (rich dialect of `POST /v1/chat/completions`); here it is filtered and shown.

import json
import logging
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal
from urllib.parse import quote

import aiohttp
import jwt
from pydantic import BaseModel, Field

JsonObject = dict[str, Any]  # Any: Open WebUI's own dicts, read where they are needed
Caller = Callable[[JsonObject], Awaitable[object]]

ROUTER, UNREACHABLE = "open-agent", "unreachable"
RELAYED = ("status", "source")
"""The events of the server that are shown. Open WebUI runs some other types as code in the user's browser."""
SILENCE_SECONDS = 60  # open-agent gives a sign of life every 15, however long a tool takes
BROKEN_OFF = "The connection to open-agent broke off before the answer was complete."
_secret = partial(Field, json_schema_extra={"input": {"type": "password"}})

log = logging.getLogger("open_agent.pipe")


class Refusal(Exception): ...  # what went wrong, in words for the user


class WrongKey(Refusal): ...


class Connection(BaseModel):
    BASE_URL: str = Field(
        default=os.environ.get("OPEN_AGENT_URL", "http://127.0.0.1:8000"),
        description="Where open-agent listens, as seen from Open WebUI's server; with Docker Compose http://api:8000",
    )
    API_KEY: str = _secret(
        default_factory=lambda: os.environ.get("OPEN_AGENT_API_KEY", ""),
        description="A key of open-agent: one of its API_KEYS, or the one that it made at its first start.",
    )
    USER_TOKEN_SECRET: str = _secret(
        default_factory=lambda: os.environ.get("FORWARD_USER_INFO_HEADER_JWT_SECRET", ""),
        description="open-agent's OPENWEBUI_JWT_SECRET, if it has one: users are then named by a signed token.",
    )
    ON_STOP: Literal["cancel", "detach"] = Field("cancel", description="The stop button: end the run, or let it go on.")
    LIMITS: str = Field("", description="What one answer may take, such as: tokens=50000, seconds=300, cost_usd=0.5")


class Shown(BaseModel):
    """What is seen beside the answer: for all by the admin, and less of it by each user for themselves."""

    SHOW_STEPS: bool = Field(default=True, description="A status line for each step and tool call above the answer.")
    SHOW_TOOLS: bool = Field(default=True, description="A card for each tool call, with its arguments and result.")
    SHOW_THOUGHTS: bool = Field(default=True, description="What agents say before the final answer, as thoughts.")


class Pipe:
    class Valves(Shown, Connection):
        """Set by an admin: Admin Panel > Functions > open-agent > the gear."""

    class UserValves(Shown):
        """Set by each user: Chat Controls > Valves. What the admin hides stays hidden."""

    def __init__(self) -> None:
        self.valves = self.Valves()

    async def pipes(self) -> list[dict[str, str]]:
        """Lists the agents as models; what keeps them from being listed is an entry of the list, too."""
        try:
            async with _session(self.valves, within=10) as session, session.get("models") as response:
                await _check(response)
                models = (await response.json())["data"]
            return [{"id": model["id"], "name": model.get("name") or model["id"]} for model in models]
        except Exception as error:
            log.warning("the agents cannot be listed: %s", _readable(error, self.valves))
            why = "key refused" if isinstance(error, WrongKey) else "unreachable"
            return [{"id": UNREACHABLE, "name": f"open-agent ({why}: see the valves)"}]

    async def pipe(
        self,
        body: JsonObject,
        __user__: JsonObject | None = None,
        __metadata__: JsonObject | None = None,
        __event_emitter__: Caller | None = None,
        __event_call__: Caller | None = None,
    ) -> AsyncGenerator[JsonObject, None] | str | JsonObject:
        """Answers as Open WebUI wants it: a stream, a text, or an error. Nothing is raised."""
        valves, user, metadata = self.valves, __user__ or {}, __metadata__ or {}
        request, headers = _request(body), partial(_headers, valves, user, metadata)
        if metadata.get("task"):
            return await _do_task(valves, {**request, "stream": False}, headers())
        in_chat = bool(metadata.get("chat_id") and metadata.get("message_id"))
        screen = Screen(__event_emitter__ if in_chat else None, valves, user.get("valves"))
        answer = Answer(valves, screen, __event_call__ if in_chat else None, request, headers)
        return answer.stream() if body.get("stream") else await answer.whole()


def _session(valves: Pipe.Valves, within: float | None = None) -> aiohttp.ClientSession:
    """One for each request: the valves may change between two."""
    url = valves.BASE_URL.strip().rstrip("/").removesuffix("/v1")
    return aiohttp.ClientSession(
        base_url=f"{url if '://' in url else f'http://{url}'}/v1/",
        headers={"Authorization": f"Bearer {valves.API_KEY.strip()}"},
        timeout=aiohttp.ClientTimeout(total=within, sock_connect=10, sock_read=SILENCE_SECONDS),
        read_bufsize=2**22,  # a line of a stream may be twice as long, and results of tools are long
    )


async def _stream(valves: Pipe.Valves, request: JsonObject, headers: JsonObject) -> AsyncGenerator[JsonObject, None]:
    """Yields the answer's lines, an empty one for each sign of life. To leave is to hang up, and that ends the run."""
    async with _session(valves) as session, session.post("chat/completions", json=request, headers=headers) as response:
        await _check(response)
        async for line in response.content:
            if line.startswith(b"data: [DONE]"):
                return
            if line.startswith(b":"):
                yield _content("")
            elif line.startswith(b"data:"):
                chunk: JsonObject = json.loads(line[5:])
                yield chunk
                if "error" in chunk:
                    return
    raise Refusal(BROKEN_OFF)


class Screen:
    """What the user gets to see beside the answer."""

    def __init__(self, emitter: Caller | None, *shown: object) -> None:
        self._emitter, self._shown, self._shimmers = emitter, shown, False

    def shows(self, what: str) -> bool:
        return all(getattr(valves, what, True) for valves in self._shown)

    async def relay(self, event: JsonObject) -> None:
        kind, told = event.get("type"), event.get("data")
        if self._emitter is None or kind not in RELAYED or not isinstance(told, dict):
            return
        self._shimmers = not told.get("done") if kind == "status" else self._shimmers
        if kind != "status" or self.shows("SHOW_STEPS"):
            await self._emitter({"type": kind, "data": told})

    async def close(self, description: str) -> None:
        """Ends the status line if the server did not: it would shimmer for ever."""
        if self._shimmers:
            with suppress(Exception):  # raised here, it would wipe out the answer
                await self.relay({"type": "status", "data": {"description": description, "done": True}})

    def passes(self, chunk: JsonObject) -> bool:
        """Tells whether a line that is no event is handed on: answer, thoughts, tool cards, usage, errors."""
        if str(chunk.get("type", "")).startswith("response."):
            return self._emitter is not None and self.shows("SHOW_TOOLS")
        return "reasoning_content" not in _delta(chunk) or self.shows("SHOW_THOUGHTS")


@dataclass(frozen=True)
class Answer:
    valves: Pipe.Valves
    screen: Screen
    call: Caller | None
    request: JsonObject
    headers: Callable[[], dict[str, str]]

    async def stream(self) -> AsyncGenerator[JsonObject, None]:
        """Yields Open WebUI's lines. An error is the last of them: raised, it would wipe out what was said so far."""
        ending = "Stopped"  # only the stop button leaves early
        try:
            async with aclosing(self._chunks()) as chunks:
                async for chunk in chunks:
                    if "event" in chunk:
                        await self.screen.relay(chunk["event"])
                    elif self.screen.passes(chunk):
                        yield chunk
            ending = "Done"
        except Exception as error:
            ending = "Failed"
            yield {"error": {"message": _readable(error, self.valves)}}
        finally:
            await self.screen.close(ending)

    async def _chunks(self) -> AsyncGenerator[JsonObject, None]:
        """Where the run waits for the user, they are asked, and what they say is the next message."""
        request: JsonObject | None = self.request
        while request is not None:
            asked: JsonObject = {}
            async with aclosing(_stream(self.valves, request, self.headers())) as chunks:
                async for chunk in chunks:
                    asked = chunk.get("waiting", asked)
                    if not asked:
                        yield chunk
            reply = await _ask(self.call, asked["questions"][0]) if asked else None
            if asked and reply is None:
                await self.screen.close("Waiting for approval")
                yield _content(f"\n\n{asked['words']}")
            said = [{"role": "assistant", "content": asked.get("words")}, {"role": "user", "content": reply}]
            request = {**request, "messages": request["messages"] + said} if reply else None

    async def whole(self) -> str | JsonObject:
        """Returns the text, or the error if there is none. It reads the stream: silence is no end here either."""
        chunks = [chunk async for chunk in self.stream()]
        text = "".join(_delta(chunk).get("content") or "" for chunk in chunks)
        failure = next((chunk["error"]["message"] for chunk in chunks if "error" in chunk), "")
        if failure and not text:
            return {"error": {"message": failure, "detail": failure}}
        return f"{text}\n\n{failure}" if failure else text


async def _ask(call: Caller | None, question: JsonObject) -> str | None:
    """Returns what the user would type, or None. Only `True` is a yes: with no browser left, an error is returned."""
    said, more, typed = None, question.get("typed", False), None
    with suppress(Exception):  # a dialog that breaks is no answer
        said = await call({"type": "confirmation", "data": question["confirmation"]}) if call else None
        typed = await call({"type": "input", "data": question["input"]}) if call and said is more else None
    if not isinstance(said, bool) or (said and more and not isinstance(typed, str)):
        return None
    return f"{question['yes' if said else 'no']}{typed[:1000] if isinstance(typed, str) else ''}"


async def _do_task(valves: Pipe.Valves, request: JsonObject, headers: dict[str, str]) -> str:
    """Title, tags, follow-ups …: open-agent has them written by one plain model call, never by an agent's run."""
    try:
        async with _session(valves) as session, session.post("chat/completions", json=request, headers=headers) as said:
            await _check(said)
            return str((await said.json())["choices"][0]["message"]["content"] or "")
    except Exception as error:
        log.warning("%s was not done: %s", headers["X-OpenWebUI-Task"], _readable(error, valves))
        return ""  # Open WebUI then does without


def _request(body: JsonObject) -> JsonObject:
    """What is asked, and no more: `tools` in the body are Open WebUI's own, and not for our agents."""
    model = str(body.get("model") or "").partition(".")[2]
    agent, streamed = ROUTER if model in ("", UNREACHABLE) else model, {"stream_options": {"include_usage": True}}
    return {"model": agent, "messages": body.get("messages") or [], "stream": True, **streamed}


def _headers(valves: Pipe.Valves, user: JsonObject, metadata: JsonObject) -> dict[str, str]:
    """Says whose question it is and where it stands. What is not known is not said."""
    ids = {"Chat-Id": "chat_id", "Message-Id": "message_id", "User-Message-Id": "user_message_id", "Task": "task"}
    known = {**{header: metadata.get(key) for header, key in ids.items()}, **_identity(valves, user)}
    said = {f"X-OpenWebUI-{name}": quote(str(text), safe=":@+.") for name, text in known.items() if text}
    ours = {"Rich": "1", "Asks": "1", "On-Disconnect": valves.ON_STOP, "Limits": " ".join(valves.LIMITS.split())}
    return {**said, **{f"X-Open-Agent-{name}": text for name, text in ours.items() if text}}


def _identity(valves: Pipe.Valves, user: JsonObject) -> JsonObject:
    named = {name: str(user.get(name) or "") for name in ("id", "name", "email", "role")}
    if not valves.USER_TOKEN_SECRET:
        return {f"User-{name.title()}": text for name, text in named.items()}
    now = int(time.time())
    claims = {**named, "sub": named["id"], "iss": "open-webui", "iat": now, "exp": now + 300}
    return {"User-Jwt": jwt.encode(claims, valves.USER_TOKEN_SECRET, algorithm="HS256")}


def _content(words: str) -> JsonObject:
    return {"choices": [{"index": 0, "delta": {"content": words}, "finish_reason": None}]}


def _delta(chunk: JsonObject) -> JsonObject:
    return (chunk.get("choices") or [{}])[0].get("delta") or {}


async def _check(response: aiohttp.ClientResponse) -> None:
    """Raises: Refusal."""
    if response.status == 401:
        raise WrongKey("open-agent refused the key. An admin sets API_KEY in the valves of the function `open-agent`.")
    if not response.ok:
        try:
            message = json.loads(await response.text())["error"]["message"]
        except (ValueError, LookupError, TypeError):
            message = f"it answered with status {response.status}; does BASE_URL in the valves lead to open-agent?"
        raise Refusal(f"open-agent: {message}")


def _readable(error: Exception, valves: Pipe.Valves) -> str:
    match error:
        case Refusal():
            return str(error)
        case aiohttp.ClientConnectorError() | aiohttp.InvalidURL() | aiohttp.ServerTimeoutError() | TimeoutError():
            return f"open-agent does not answer at {valves.BASE_URL!r}. Is it running? Its valve BASE_URL says where."
        case aiohttp.ClientError():
            return BROKEN_OFF
        case _:
            log.error("an answer broke off", exc_info=error)
            return f"The pipe to open-agent failed ({type(error).__name__}); Open WebUI's log says why."
