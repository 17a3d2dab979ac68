"""What is kept to the letter, for runs and calls that wait: sealed, and of no harm when the key is lost."""

import sqlite3
from pathlib import Path

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from config.ids import new_id
from mcp_config.tools import Answer, Caller, ToolCall
from server.db.store import open_store
from server.engine.checkpoints import open_checkpoints
from server.engine.sealed_serializer import build_serializer
from server.identity.sealing import SEAL_FILE, Seal

SECRET = "planted-Sealed/62e1f0"
MESSAGE = AIMessage("", tool_calls=[{"name": "act", "args": {"text": SECRET}, "id": "1"}])
THREAD = RunnableConfig(configurable={"thread_id": "run_1", "checkpoint_ns": ""})


def _find_files(folder: Path) -> list[str]:
    return [file.name for file in folder.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]


async def test_a_checkpoint_whose_key_is_lost_counts_as_lost(database_url: str, tmp_path: Path) -> None:
    async with open_store(database_url), open_checkpoints(database_url, tmp_path) as checkpoints:
        kept = empty_checkpoint()
        at = await checkpoints.saver.aput(THREAD, kept, {}, {})
        await checkpoints.saver.aput_writes(at, [("turns", [MESSAGE])], "task")
        found = await checkpoints.saver.aget_tuple(THREAD)
        assert found is not None
        assert found.pending_writes == [("task", "turns", [MESSAGE])]
        (tmp_path / SEAL_FILE).unlink()
        assert await checkpoints.saver.aget_tuple(THREAD) is None
        await checkpoints.saver.aput_writes(at, [("more", [MESSAGE])], "another")  # makes another key
        assert await checkpoints.saver.aget_tuple(THREAD) is None
    assert _find_files(tmp_path) == []


def test_what_an_earlier_version_wrote_unsealed_is_read(tmp_path: Path) -> None:
    written = JsonPlusSerializer().dumps_typed([MESSAGE])
    assert build_serializer(Seal(tmp_path / SEAL_FILE)).loads_typed(written) == [MESSAGE]


async def test_a_call_by_hand_whose_key_is_lost_is_never_made_and_can_be_rejected(tmp_path: Path) -> None:
    seal = Seal(tmp_path / SEAL_FILE)
    call = ToolCall(new_id("call"), "act", {"text": SECRET}, Caller("uma"))
    async with open_store(f"sqlite:///{tmp_path}/app.db", seal=seal) as store:
        asked = await store.approvals.ask(call, "rule")
        assert asked.arguments == {"text": SECRET}
        assert await store.approvals.find_call("uma", asked.id, to_make=True) == call
        await store.approvals.resolve("uma", asked.id, Answer("edit", {"text": f"rather {SECRET}"}), "uma")
        assert await store.approvals.unmade() == [(call, Answer("edit", {"text": f"rather {SECRET}"}))]
        with sqlite3.connect(tmp_path / "app.db") as database:
            assert SECRET not in "\n".join(database.iterdump())
        other = await store.approvals.ask(ToolCall(new_id("call"), "act", {"text": SECRET}, Caller("uma")), "rule")
        (tmp_path / SEAL_FILE).unlink()
        assert await store.approvals.unmade() == []
        rejected = await store.approvals.resolve("uma", other.id, Answer("reject"), "uma")
        assert (rejected.approval.status, rejected.approval.arguments) == ("rejected", {})
