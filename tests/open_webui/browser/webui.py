"""A real Open WebUI, offline, set up over its API as an admin would do it by hand.

`OPEN_WEBUI` names its program, or the address of one that is up and knows this admin.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx

from config.checkout import CHECKOUT
from tests.open_webui.asking import PIPE, Json
from tests.support.waiting import until

EMAIL: Final = "admin@example.com"
PASSWORD: Final = "admin-password-1"
STARTING_SECONDS: Final = 420
SAYING_SECONDS: Final = 120
"""It waits a minute for a closed tab to come back."""
CONNECTION: Final = CHECKOUT / "integrations" / "open_webui" / "connection-headers.json"
OFFLINE: Final = {
    "OFFLINE_MODE": "true",
    "HF_HUB_OFFLINE": "1",
    "ANONYMIZED_TELEMETRY": "false",
    "ENABLE_VERSION_UPDATE_CHECK": "false",
    "ENABLE_OLLAMA_API": "false",
    "ENABLE_EVALUATION_ARENA_MODELS": "false",
    # Named and never called, so that no model is loaded for them.
    "RAG_EMBEDDING_ENGINE": "openai",
    "AUDIO_STT_ENGINE": "openai",
    "BYPASS_EMBEDDING_AND_RETRIEVAL": "true",
    "ENABLE_FORWARD_USER_INFO_HEADERS": "true",
    "WEBUI_ADMIN_EMAIL": EMAIL,
    "WEBUI_ADMIN_PASSWORD": PASSWORD,
    "WEBUI_SECRET_KEY": "a-secret-for-tests",
}


class OpenWebUI:
    def __init__(self, client: httpx.AsyncClient, token: str) -> None:
        self.url, self.token, self._client = str(client.base_url).rstrip("/"), token, client

    async def connect(self, url: str, key: str) -> None:
        """The plain way: an OpenAI connection with the headers that our README gives."""
        settings = {"enable": True, "headers": json.loads(CONNECTION.read_text(encoding="utf-8"))}
        await self._post(
            "/openai/config/update",
            ENABLE_OPENAI_API=True,
            OPENAI_API_BASE_URLS=[f"{url}/v1"],
            OPENAI_API_KEYS=[key],
            OPENAI_API_CONFIGS={"0": settings},
        )

    async def install_pipe(self, url: str, key: str) -> None:
        functions = "/api/v1/functions"
        form = {
            "id": "open_agent",
            "name": "open-agent",
            "content": PIPE.read_text(encoding="utf-8"),
            "meta": {"description": "Agents", "manifest": {}},
        }
        there = {each["id"] for each in await self._get(f"{functions}/")}
        path = "id/open_agent/update" if "open_agent" in there else "create"
        function = await self._post(f"{functions}/{path}", **form)
        if not function["is_active"]:
            await self._post(f"{functions}/id/open_agent/toggle")
        await self._post(f"{functions}/id/open_agent/valves/update", BASE_URL=url, API_KEY=key)

    async def says(self, chat: str, text: str) -> None:
        """Waits until the saved chat at this address holds the text."""

        async def said() -> bool:
            return text in json.dumps(await self._get(f"/api/v1/chats/{chat.rpartition('/')[2]}"))

        await until(said, SAYING_SECONDS)

    async def models(self) -> dict[str, str]:
        """Returns the names of the models by id, read anew from where they come."""
        listed = await self._get("/api/models?refresh=true")
        return {model["id"]: model["name"] for model in listed["data"]}

    async def _get(self, path: str) -> Any:  # noqa: ANN401 - an object or a list, as the path has it
        return (await self._client.get(path)).raise_for_status().json()

    async def _post(self, path: str, **form: object) -> Json:
        answer: Json = (await self._client.post(path, json=form)).raise_for_status().json()
        return answer


@contextlib.asynccontextmanager
async def open_webui(data_dir: Path, port: int) -> AsyncIterator[OpenWebUI]:
    given = os.environ.get("OPEN_WEBUI") or str(CHECKOUT / ".open-webui" / "bin" / "open-webui")
    if given.startswith("http"):
        async with _signed_in(given) as webui:
            yield webui
        return
    async with _started(given, data_dir, port), _signed_in(f"http://127.0.0.1:{port}") as webui:
        yield webui


@contextlib.asynccontextmanager
async def _signed_in(url: str) -> AsyncIterator[OpenWebUI]:
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:
        await until(lambda: _ready(client), STARTING_SECONDS)
        answer = await client.post("/api/v1/auths/signin", json={"email": EMAIL, "password": PASSWORD})
        token: str = answer.raise_for_status().json()["token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield OpenWebUI(client, token)


async def _ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/ready")).is_success
    except httpx.TransportError:
        return False


@contextlib.asynccontextmanager
async def _started(program: str, data_dir: Path, port: int) -> AsyncIterator[None]:
    own = {"DATA_DIR": str(data_dir), "HOME": str(data_dir), "STATIC_DIR": str(data_dir / "static")}
    origin = f"http://127.0.0.1:{port}"
    env = {"PATH": os.environ["PATH"], **OFFLINE, **own, "CORS_ALLOW_ORIGIN": origin, "WEBUI_URL": origin}
    with (data_dir / "open-webui.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program, "serve", "--host", "127.0.0.1", "--port", str(port), cwd=data_dir, env=env, stdout=log, stderr=log
        )
        try:
            yield
        finally:
            process.terminate()
            await process.wait()
