"""What docs/studio.md says, done: `make studio` and its Python blocks, on a scripted model."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest

from config.checkout import CHECKOUT
from tests.docs.pages import read_page, run_page, trimmed
from tests.support.scripted_model import Replies, ScriptedModel, has_result, offers, plans, says
from tests.support.waiting import PATIENCE

NEEDED: Final = ("config", "graph", "mcp_config", "nodes", "langgraph.json", "Makefile", "bootstrap.sh", ".venv")
LOCKS: Final = ("requirements.lock", "requirements-dev.lock")


@asynccontextmanager
async def make_studio(folder: Path, model: ScriptedModel) -> AsyncIterator[str]:
    """Runs `make studio` in a folder that looks like the checkout, because it leaves its files where it runs."""
    for name in (*NEEDED, *LOCKS):
        (folder / name).symlink_to(CHECKOUT / name)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    time_server = {"command": sys.executable, "args": ["-I", "-m", "mcp_server_time", "--local-timezone", "UTC"]}
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "MODEL_PROVIDER": "openai",
        "DEFAULT_MODEL": "scripted",
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": model.base_url,
        "DATA_DIR": str(folder / "data"),
        "MCP_SERVERS": json.dumps({"mcpServers": {"time": time_server}}),
    }
    with (folder / "studio.log").open("wb") as log:
        made = await asyncio.create_subprocess_exec(
            "make",
            "studio",
            f"PORT={port}",
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        await answers(f"http://127.0.0.1:{port}/ok", made)
        yield f"http://127.0.0.1:{port}"
    finally:
        if made.returncode is None:
            os.killpg(made.pid, signal.SIGINT)  # what Ctrl-C in a terminal does
        await asyncio.wait_for(made.wait(), PATIENCE)


async def answers(url: str, made: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(60), httpx.AsyncClient(trust_env=False) as client:
        while made.returncode is None:
            try:
                if (await client.get(url)).is_success:
                    return
            except httpx.TransportError:
                await asyncio.wait([asyncio.ensure_future(made.wait())], timeout=0.2)
    raise AssertionError("make studio ended; its words are in studio.log")


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.timeout(150)
async def test_the_page_shows_what_its_blocks_print(scripted_model: ScriptedModel, tmp_path: Path) -> None:
    scripted_model.always(plans, Replies.json({"steps": [{"agent": "tool-agent"}]}))
    scripted_model.always(has_result("Asia/Tokyo"), Replies.text("It is ", "noon."))
    scripted_model.always(
        offers("time__get_current_time"), Replies.tool("time__get_current_time", {"timezone": "Asia/Tokyo"})
    )
    scripted_model.always(says("tokyo"), Replies.text("I have ", "no clock."))
    page, away = read_page("studio.md"), tmp_path / "away"
    away.mkdir()

    async with make_studio(tmp_path, scripted_model) as url:
        printed = await run_page(page, away, {"http://127.0.0.1:2024": url}, {})

    assert trimmed(printed) == trimmed(page.promised)
    assert url in (tmp_path / "studio.log").read_text().splitlines()[0], "the first line says where to look"
