"""`langgraph dev` with the committed `langgraph.json`: no account, no network."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypedDict

import httpx
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from tests.graph.conftest import plan
from tests.support.scripted_model import Replies, ScriptedModel, has_result, plans, says
from tests.support.waiting import PATIENCE, until

CHECKOUT = Path(__file__).parents[2]


class _Asked(TypedDict):
    messages: list[dict[str, str]]


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@asynccontextmanager
async def studio(folder: Path, model: ScriptedModel) -> AsyncIterator[str]:
    """Runs `langgraph dev` and yields its address; in a folder of its own, because it leaves its files there."""
    for name in ("config", "graph", "mcp_config", "nodes", "langgraph.json"):
        (folder / name).symlink_to(CHECKOUT / name)
    port = _free_port()
    sandboxed = {"x-open-agent": {"sandbox": "auto"}}  # as all that ship: it is made without blocking the loop
    time_server = {
        "command": "${PYTHON}",
        "args": ["-I", "-m", "mcp_server_time", "--local-timezone", "UTC"],
        **sandboxed,
    }
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LANGGRAPH_CLI_NO_ANALYTICS": "1",
        "LANGSMITH_TRACING": "false",
        "MODEL_PROVIDER": "openai",
        "DEFAULT_MODEL": "scripted",
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": model.base_url,
        "DATA_DIR": str(folder / "data"),
        "MCP_SERVERS": json.dumps({"mcpServers": {"time": time_server}}),
    }
    command = [str(Path(sys.executable).with_name("langgraph")), "dev", "--no-browser", "--no-reload"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with (folder / "dev.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        await _wait_until_ok(f"http://127.0.0.1:{port}/ok", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        await _end(process)


async def _wait_until_ok(url: str, process: asyncio.subprocess.Process) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:

        async def answers() -> bool:
            assert process.returncode is None, "langgraph dev ended; its words are in dev.log"
            with contextlib.suppress(httpx.TransportError):
                return (await client.get(url)).is_success
            return False

        await until(answers)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGINT)
        try:
            await asyncio.wait_for(process.wait(), PATIENCE)
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            raise


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_langgraph_dev_shows_the_agents_and_streams_runs(scripted_model: ScriptedModel, tmp_path: Path) -> None:
    scripted_model.when(plans, plan({"agent": "tool-agent"}), plan({"agent": "general"}))
    scripted_model.when(has_result("Asia/Tokyo"), Replies.text("It is ", "noon."))
    scripted_model.when(says("tokyo"), Replies.tool("time__get_current_time", {"timezone": "Asia/Tokyo"}))
    scripted_model.when(says("thanks"), Replies.text("You are welcome."))

    async with studio(tmp_path, scripted_model) as url, get_client(url=url) as client:
        drawn = await client.assistants.get_graph("open-agent")
        assert {"router", "dispatch", "synthesis", "general", "tool-agent", "sql-agent"} <= {
            node["id"] for node in drawn["nodes"]
        }
        thread = await client.threads.create()

        first = await _ask(client, thread["thread_id"], "What time is it in Tokyo?")
        second = await _ask(client, thread["thread_id"], "Thanks!")

        assert "It is noon." in json.dumps(first)
        state = await client.threads.get_state(thread["thread_id"])
        values = state["values"]
        assert isinstance(values, dict)
        texts = [message["content"] for message in values["messages"]]
        assert texts == ["What time is it in Tokyo?", "It is noon.", "Thanks!", "You are welcome."]
        assert len(values["results"]) == 1, "the second run begins anew"
        assert second


async def _ask(client: LangGraphClient, thread_id: str, question: str) -> list[object]:
    asked = _Asked(messages=[{"role": "user", "content": question}])
    stream = client.runs.stream(thread_id, "open-agent", input=asked, stream_mode=["custom", "values"])
    async with asyncio.timeout(PATIENCE):
        parts = [part async for part in stream]
    assert not [part for part in parts if part.event == "error"], parts
    return [part.data for part in parts]
