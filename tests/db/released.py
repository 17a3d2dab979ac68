"""A small but whole life as released versions wrote it: in plain SQL, for today's classes know only today's tables."""

import json
from collections.abc import Mapping
from typing import Final

from sqlalchemy import create_engine, make_url, text

from server.db.migrating import migrate

CONVERSATION: Final = "conv_01997f3e-8f4a-7cc1-a6c5-000000000001"
ENDED: Final = "run_01997f3e-8f4a-7cc1-a6c5-000000000002"
QUEUED: Final = "run_01997f3e-8f4a-7cc1-a6c5-000000000003"
STEP: Final = "step_01997f3e-8f4a-7cc1-a6c5-000000000004"
CALL: Final = "call_01997f3e-8f4a-7cc1-a6c5-000000000005"
AT: Final = "2026-09-25 08:00:00+00:00"
STAMP: Final = "2026-09-25T08:00:00.000Z"
USAGE: Final = json.dumps({"input_tokens": 7, "output_tokens": 3, "total_tokens": 10})
SPEC: Final = json.dumps(
    {"id": "general", "name": "General", "description": "Talks.", "system_prompt": "You talk.", "version": 1}
)
RELEASED: Final = ("0001", "0002", "0003")

Rows = list[tuple[str, dict[str, object]]]


def message(number: int) -> str:
    return f"msg_01997f3e-8f4a-7cc1-a6c5-00000000001{number}"


def make_released(url: str, version: str) -> None:
    """Makes a database of a released version with rows in all its tables."""
    migrate(url, version)
    address = make_url(url)
    driver = "postgresql+psycopg" if address.get_backend_name() == "postgresql" else "sqlite"
    engine = create_engine(address.set(drivername=driver))
    try:
        with engine.begin() as connection:
            for table, row in _rows(version):
                names = ", ".join(row)
                marks = ", ".join(f":{name}" for name in row)
                connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), row)
    finally:
        engine.dispose()


def _rows(version: str) -> Rows:
    keyed: dict[str, object] = {"external_key": "openwebui/u/c"} if version >= "0002" else {}
    conversation = {"id": CONVERSATION, "owner": "ada", "title": "Größe", "metadata": "{}", "created_at": AT}
    return [
        ("conversations", conversation | keyed),
        *_messages(version),
        ("revisions", {"id": 1, "created_at": AT}),
        ("agents", {"id": "general", "spec": SPEC}),
        ("agent_versions", {"agent_id": "general", "version": 1, "revision": 1, "spec": SPEC}),
        ("runs", _run(ENDED, message(2), "completed", {"next_seq": 5, "message_id": message(3), "ended_at": AT})),
        ("runs", _run(QUEUED, message(4), "queued", {"next_seq": 1, "message_id": None, "ended_at": None})),
        *_log(),
        ("steps", _step()),
        ("tool_calls", _call()),
    ]


def _messages(version: str) -> Rows:
    said = [("system", "be brief"), ("user", "what time is it?"), ("assistant", "Noon."), ("user", "and now?")]
    rows: Rows = []
    for number, (role, content) in enumerate(said, start=1):
        row: dict[str, object] = {
            "id": message(number),
            "conversation_id": CONVERSATION,
            "parent_id": message(number - 1) if number > 1 else None,
            "floating": False,
            "role": role,
            "content": content,
            "attachments": "[]",
            "run_id": ENDED if role == "assistant" else None,
            "created_at": AT,
        }
        if version >= "0003":
            row["standing_id"] = message(1) if number > 1 else None
        rows.append(("messages", row))
    return rows


def _run(run_id: str, input_id: str, status: str, more: Mapping[str, object]) -> dict[str, object]:
    return {
        "id": run_id,
        "conversation_id": CONVERSATION,
        "owner": "ada",
        "role": "user",
        "agent_id": "general",
        "revision": 1,
        "input_id": input_id,
        "status": status,
        "attempt": 1 if status == "completed" else 0,
        "losses": 0,
        "cancel_requested": False,
        "usage": USAGE,
        "metadata": "{}",
        "created_at": AT,
        **more,
    }


def _log() -> Rows:
    envelope = {"run_id": ENDED, "at": STAMP, "attempt": 1}
    step = {"step_id": STEP}
    told: list[dict[str, object]] = [
        {"type": "run.started", "conversation_id": CONVERSATION, "agent_id": "general"},
        {"type": "step.started", **step, "kind": "agent", "agent": "general", "task": "tell"},
        {"type": "step.completed", **step, "output": "Noon.", "usage": json.loads(USAGE)},
        {"type": "run.completed", "message_id": message(3), "usage": json.loads(USAGE)},
    ]
    return [
        (
            "events",
            {"run_id": ENDED, "seq": seq, "type": event["type"], "json": json.dumps({**event, **envelope, "seq": seq})},
        )
        for seq, event in enumerate(told, start=1)
    ]


def _step() -> dict[str, object]:
    return {
        "id": STEP,
        "run_id": ENDED,
        "first_seq": 2,
        "kind": "agent",
        "agent": "general",
        "task": "tell",
        "depends_on": "[]",
        "status": "completed",
        "output": "Noon.",
        "usage": USAGE,
    }


def _call() -> dict[str, object]:
    return {
        "id": CALL,
        "owner": "ada",
        "run_id": ENDED,
        "step_id": STEP,
        "tool": "time__get_current_time",
        "arguments": '{"timezone": "Asia/Tokyo"}',
        "status": "ok",
        "result": "12:00",
        "started_at": AT,
        "ended_at": AT,
    }
