"""Asks the pipe as Open WebUI does: the file is executed, its `Pipe` made, the call made by name."""

import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

from config.checkout import CHECKOUT

PIPE: Final = CHECKOUT / "integrations" / "open_webui" / "pipe.py"
Json = dict[str, Any]  # what Open WebUI hands over and takes: tests pick it apart freely


def load_pipe() -> ModuleType:
    """Executes the file as Open WebUI does: it is no importable module there either."""
    module = ModuleType("function_open_agent")
    exec(compile(PIPE.read_text(encoding="utf-8"), str(PIPE), "exec"), module.__dict__)
    return module


@dataclass
class Chat:
    """One chat of Open WebUI's: its ids, its settings, and what its screen was told."""

    pipe: Any  # the class lives in a file that is executed, so no type is known
    chat_id: str | None = "chat-1"
    message_id: str | None = "message-1"
    user: Json = field(default_factory=lambda: {"id": "u1", "name": "Zoë", "email": "zoe@example.com", "role": "user"})
    metadata: Json = field(default_factory=dict)
    events: list[Json] = field(default_factory=list)
    answers: list[object] = field(default_factory=list)
    """What the user answers to dialogs, one after the other; an exception is raised. Without any, nobody is there."""
    dialogs: list[Json] = field(default_factory=list)

    async def stream(self, *messages: str | Json, model: str = "general") -> AsyncGenerator[Json, None]:
        chunks: AsyncGenerator[Json, None] = await self._ask(messages, model, stream=True)
        return chunks

    async def whole(self, *messages: str | Json, model: str = "general") -> str | Json:
        answer: str | Json = await self._ask(messages, model, stream=False)
        return answer

    async def _ask(self, messages: Sequence[str | Json], model: str, *, stream: bool) -> Any:  # noqa: ANN401 - as the pipe is
        said = [each if isinstance(each, dict) else {"role": "user", "content": each} for each in messages]
        tools = [{"type": "function", "function": {"name": "ask_user", "parameters": {}}}]
        return await self.pipe.pipe(
            body={"model": f"open_agent.{model}", "messages": said, "stream": stream, "tools": tools},
            __user__=self.user,
            __metadata__={"chat_id": self.chat_id, "message_id": self.message_id, **self.metadata},
            __event_emitter__=self._emit,
            __event_call__=self._call,
        )

    async def lines(self, *messages: str | Json, model: str = "general") -> list[Json]:
        """Returns all lines of a streamed answer; Open WebUI sends each as JSON."""
        lines = [chunk async for chunk in await self.stream(*messages, model=model)]
        assert None not in lines
        return [json.loads(json.dumps(line)) for line in lines]

    @property
    def statuses(self) -> list[tuple[str, bool]]:
        told = [event["data"] for event in self.events if event["type"] == "status"]
        return [(data["description"], data["done"]) for data in told]

    async def _emit(self, event: Json) -> None:
        self.events.append(event)

    async def _call(self, event: Json) -> object:
        self.dialogs.append(event)
        answer = self.answers.pop(0) if self.answers else {"error": "Client session disconnected."}
        if isinstance(answer, Exception):
            raise answer
        return await answer() if callable(answer) else answer


def words_of(lines: Sequence[Json], kind: str = "content") -> str:
    deltas = [choice["delta"] for line in lines for choice in line.get("choices", [])]
    return "".join(delta.get(kind) or "" for delta in deltas)


def error_of(lines: Sequence[Json]) -> str:
    """Returns the error; it must be the last line."""
    assert [line for line in lines if "error" in line] == [lines[-1]]
    message: str = lines[-1]["error"]["message"]
    return message
