"""Open WebUI's own API, as far as putting open-agent into it needs it. Knows nothing of open-agent's inside.

Everything may be done again: what is there already is brought up to date, and what others set stays.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx

JsonObject = dict[str, Any]  # Any: Open WebUI's own shapes, of which we touch a few fields

FUNCTION: Final = "open_agent"
UNREACHABLE: Final = "unreachable"
"""The model that the pipe lists when it cannot reach open-agent."""
_SECONDS: Final = 60


class WebUIError(Exception):
    """Open WebUI cannot be used; `str(error)` says why and what to do."""


class WebUI:
    """An Open WebUI, to an admin of it."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def install_pipe(self, code: str, valves: JsonObject) -> None:
        form = {"id": FUNCTION, "name": "open-agent", "content": code, "meta": {"description": "Agents of open-agent."}}
        known = {function["id"]: function for function in await self._get("/api/v1/functions/")}
        if FUNCTION in known:
            await self._post(f"/api/v1/functions/id/{FUNCTION}/update", form)
        else:
            await self._post("/api/v1/functions/create", form)
        kept = await self._get(f"/api/v1/functions/id/{FUNCTION}/valves") or {}
        await self._post(f"/api/v1/functions/id/{FUNCTION}/valves/update", {**kept, **valves})
        if not known.get(FUNCTION, {}).get("is_active"):
            await self._post(f"/api/v1/functions/id/{FUNCTION}/toggle", {})

    async def enter_connection(self, url: str, key: str, headers: JsonObject) -> None:
        """Enters the plain connection, switched off until an admin wants it beside the pipe."""
        config = await self._get("/openai/config")
        urls, keys, configs = (config[f"OPENAI_API_{name}"] for name in ("BASE_URLS", "KEYS", "CONFIGS"))
        if url not in urls:
            urls.append(url)
        place = urls.index(url)
        keys += [""] * (len(urls) - len(keys))
        keys[place] = key
        configs[str(place)] = {"enable": False, "headers": headers, **configs.get(str(place), {})}
        await self._post("/openai/config/update", config)

    async def choose_default_model(self, model: str) -> None:
        """Chooses the model of new chats, unless one is chosen."""
        config = await self._get("/api/v1/configs/models")
        if not config["DEFAULT_MODELS"]:
            await self._post("/api/v1/configs/models", {**config, "DEFAULT_MODELS": model})

    async def agents(self) -> list[str]:
        """Returns the models that the pipe lists."""
        models = (await self._get("/api/models?refresh=true"))["data"]
        prefix = f"{FUNCTION}."
        return [model["id"].removeprefix(prefix) for model in models if model["id"].startswith(prefix)]

    async def _get(self, path: str) -> Any:  # noqa: ANN401 - as JsonObject
        return _checked(await self._http.get(path)).json()

    async def _post(self, path: str, body: JsonObject) -> None:
        _checked(await self._http.post(path, json=body))


@asynccontextmanager
async def open_webui(url: str, email: str, password: str) -> AsyncIterator[WebUI]:
    """Yields it to the admin of this name, who is made if Open WebUI has no user yet.

    Raises `WebUIError`, here and inside.
    """
    try:
        async with httpx.AsyncClient(base_url=url, timeout=_SECONDS) as http:
            http.headers["Authorization"] = f"Bearer {await _sign_in(http, email, password)}"
            yield WebUI(http)
    except httpx.HTTPError as error:
        raise WebUIError(f"Open WebUI at {url} does not answer: {str(error) or type(error).__name__}") from error


async def _sign_in(http: httpx.AsyncClient, email: str, password: str) -> str:
    known = {"email": email, "password": password}
    answer = await http.post("/api/v1/auths/signin", json=known)
    if answer.status_code == httpx.codes.BAD_REQUEST and (await http.get("/api/config")).json().get("onboarding"):
        answer = await http.post("/api/v1/auths/signup", json={**known, "name": "Admin"})
    if answer.status_code == httpx.codes.BAD_REQUEST:
        raise WebUIError(
            f"Open WebUI does not know {email} with this password: name an admin of it, with OPEN_WEBUI_EMAIL and "
            "OPEN_WEBUI_PASSWORD"
        )
    user = _checked(answer).json()
    if user["role"] != "admin":
        raise WebUIError(f"{email} is no admin of Open WebUI: name one, with OPEN_WEBUI_EMAIL and OPEN_WEBUI_PASSWORD")
    return str(user["token"])


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_error:
        raise WebUIError(f"Open WebUI refused {answer.request.url.path} ({answer.status_code}): {answer.text[:300]}")
    return answer
