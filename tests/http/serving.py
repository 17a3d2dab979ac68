"""Starts the real application on a free port, in this loop, and speaks to it as clients do."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import yaml
from fastapi import FastAPI

from config.settings import Settings, load_settings
from server.app import build_app
from server.listening import address_of, bind
from server.serving import run_server
from tests.support.quick_tools import PROGRAM as QUICK_TOOLS
from tests.support.waiting import PATIENCE, until

ADMIN_KEY: Final = "admin-key-for-tests"
USER_KEY: Final = "user-key-for-tests"
OTHER_KEY: Final = "other-key-for-tests"
KEYS: Final = f"ann=admin:{ADMIN_KEY},uma=user:{USER_KEY},otto=user:{OTHER_KEY}"
_MISSING: Final = {"command": "no-such-program-anywhere"}
SERVERS: Final = {
    "mcpServers": {
        "time": {"command": "${PYTHON}", "args": ["-I", "-S", QUICK_TOOLS, "time"]},
        "calculator": {"command": "${PYTHON}", "args": ["-I", "-S", QUICK_TOOLS, "calculator"]},
        "missing": _MISSING,
    }
}
REAL_SERVERS: Final = {
    "mcpServers": {
        "time": {"command": "${PYTHON}", "args": ["-I", "-m", "mcp_server_time", "--local-timezone", "UTC"]},
        "calculator": {"command": "${PYTHON}", "args": ["-I", "-m", "mcp_server_calculator"]},
        "missing": _MISSING,
    }
}

Json = dict[str, Any]  # what a client reads: tests pick it apart freely


@dataclass(frozen=True)
class Served:
    url: str
    settings: Settings

    def client(self, key: str | None) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=PATIENCE, trust_env=False)


def build_settings(data_dir: Path, model_url: str, **more: object) -> Settings:
    given: dict[str, object] = {
        "data_dir": data_dir,
        "port": 0,
        "api_keys": KEYS,
        "openai_base_url": model_url,
        "openai_api_key": "sk-scripted",
        "default_model": "scripted",
        "mcp_servers": json.dumps(SERVERS),
    }
    return load_settings(None, **{**given, **more})


def write_policies(path: Path, *more: Json) -> Path:
    """Writes the policies that ship and two rules more: some sums a person has to look at, some are forbidden."""
    shipped = yaml.safe_load(Path(Settings.model_fields["tool_policies_file"].default).read_text())
    rules = [
        {"match": "calculator__*", "when": [{"argument": "/expression", "matches": "*999*"}], "verdict": "ask"},
        {"match": "calculator__*", "when": [{"argument": "/expression", "matches": "*666*"}], "verdict": "deny"},
    ]
    path.write_text(yaml.safe_dump({**shipped, "rules": [*shipped["rules"], *rules, *more]}))
    return path


@asynccontextmanager
async def open_served(settings: Settings) -> AsyncIterator[Served]:
    async with open_app(build_app(settings), settings) as served:
        yield served


@asynccontextmanager
async def open_app(app: FastAPI, settings: Settings) -> AsyncIterator[Served]:
    bound = bind(settings.host, settings.port)
    up, stop = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(run_server(app, bound, up.set, stop))
    started = asyncio.create_task(up.wait())
    await asyncio.wait({running, started}, return_when=asyncio.FIRST_COMPLETED)
    started.cancel()
    if running.done():
        running.result()
    try:
        yield Served(address_of(bound), settings)
    finally:
        stop.set()
        await running


@dataclass(frozen=True)
class Sent:
    """One server-sent event as it came over the wire."""

    id: str
    event: str
    data: str


def parse_stream(text: str) -> list[Sent]:
    """Returns the events of a stream; comments and `retry:` are left out."""
    blocks = [dict(line.split(": ", 1) for line in block.splitlines()) for block in text.split("\n\n") if block]
    return [Sent(block["id"], block["event"], block["data"]) for block in blocks if "data" in block]


async def servers_settled(client: httpx.AsyncClient) -> None:
    """Returns once every tool server is up or known to be sick."""

    async def settled() -> bool:
        return "starting" not in (await client.get("/readyz")).json()["mcp_servers"].values()

    await until(settled)


async def converse(client: httpx.AsyncClient, content: str) -> str:
    """Returns the id of a new conversation with one user message."""
    conversation: str = (await client.post("/v1/conversations")).raise_for_status().json()["id"]
    message = {"role": "user", "content": content}
    (await client.post(f"/v1/conversations/{conversation}/messages", json=message)).raise_for_status()
    return conversation


async def start_run(client: httpx.AsyncClient, content: str, agent_id: str = "general") -> Json:
    conversation = await converse(client, content)
    answer = await client.post(f"/v1/conversations/{conversation}/runs", json={"agent_id": agent_id})
    run: Json = answer.raise_for_status().json()
    return run


async def follow(client: httpx.AsyncClient, run_id: str, **headers: str) -> list[Sent]:
    """Returns all events of a run, once it has ended."""
    answer = await client.get(f"/v1/runs/{run_id}/events", headers={k.replace("_", "-"): v for k, v in headers.items()})
    return parse_stream(answer.raise_for_status().text)


async def ended(client: httpx.AsyncClient, run_id: str) -> Json:
    """Returns the run once it has ended."""
    await follow(client, run_id)
    run: Json = (await client.get(f"/v1/runs/{run_id}")).raise_for_status().json()
    return run
