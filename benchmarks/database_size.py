"""How much 1,000 runs take in the database: `python -m benchmarks.database_size [DATABASE_URL]`, by default a new file.

Each run is as a question to one agent with one tool call and an answer of 150 tokens is stored; nothing calls a model.
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Final, cast

import psycopg

from benchmarks.measured import Measured, show
from config.database_url import find_sqlite_file, parse_database_url
from config.ids import new_id
from graph.events import (
    ModelDelta,
    RunCompleted,
    RunEvent,
    RunStarted,
    StepCompleted,
    StepStarted,
    ToolCallResult,
    ToolCallStarted,
    Usage,
)
from server.db.queue import Claim
from server.db.store import Store, open_store
from server.resources.conversations import NewConversation, NewMessage
from server.resources.runs import NewRun

RUNS: Final = 1000
_DELTAS: Final = ["five more words of it "] * 30
"""An answer of 150 words: words that come while a commit runs share an event."""
_RESULT: Final = "A result of a tool, as long as most are. " * 10
_USAGE: Final = Usage(input_tokens=900, output_tokens=180, total_tokens=1080)


async def measure(url: str) -> None:
    async with open_store(url) as store:
        before, events, conversation_id = _size(url), 0, ""
        for number in range(RUNS):
            if number % 10 == 0:
                conversation_id = (await store.conversations.create("bench", NewConversation())).id
            events += await _run(store, conversation_id)
    show(
        [Measured(f"{RUNS} runs with {events // RUNS} events each in the database", (_size(url) - before) / 1e6, "MB")]
    )


async def _run(store: Store, conversation_id: str) -> int:
    question = NewMessage(content="What time is it in Tokyo, and how long until midnight there?")
    await store.messages.add("bench", conversation_id, question)
    run = await store.runs.create("bench", "user", conversation_id, NewRun(agent_id="general"), revision=1)
    claim = cast(Claim, await store.queue.claim(run.id))  # nobody else claims runs here
    return len(await store.events.append(claim.run_id, claim.attempt, _events(claim)))


def _events(run: Claim) -> list[RunEvent]:
    step_id, call_id = new_id("step"), new_id("call")
    of_run = {"run_id": run.run_id, "attempt": run.attempt}
    of_step = {**of_run, "step_id": step_id}
    of_call = {**of_step, "call_id": call_id, "tool": "time__get_current_time"}
    return [
        RunStarted.model_validate({**of_run, "conversation_id": run.conversation_id, "agent_id": run.agent_id}),
        StepStarted.model_validate({**of_step, "kind": "agent", "agent": run.agent_id, "task": "Tell the time."}),
        ToolCallStarted.model_validate({**of_call, "arguments": {"timezone": "Asia/Tokyo"}}),
        ToolCallResult.model_validate({**of_call, "status": "ok", "content": _RESULT}),
        *(ModelDelta.model_validate({**of_step, "channel": "answer", "delta": delta}) for delta in _DELTAS),
        StepCompleted.model_validate({**of_step, "output": "".join(_DELTAS), "usage": _USAGE}),
        RunCompleted.model_validate({**of_run, "message_id": new_id("msg"), "usage": _USAGE}),
    ]


def _size(url: str) -> int:
    if file := find_sqlite_file(parse_database_url(url)):
        return sum(path.stat().st_size for path in file.parent.glob(f"{file.name}*") if not path.name.endswith("-shm"))
    with psycopg.connect(url) as connection:
        (size,) = connection.execute("SELECT pg_database_size(current_database())").fetchone() or (0,)
    return int(size)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{Path(folder)}/app.db"))
