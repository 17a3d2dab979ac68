"""What stands in for Open WebUI: its users, functions, connections and settings, as far as `connect` touches them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

Json = dict[str, Any]  # Open WebUI's own shapes
Endpoint = Callable[[Request], Awaitable[JSONResponse]]


@dataclass
class StoodIn:
    """All that it keeps, for tests to look at and to set beforehand."""

    url: str = ""
    users: dict[str, str] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    function: Json | None = None
    valves: Json = field(default_factory=dict)
    agents: list[str] = field(default_factory=lambda: ["open-agent", "general"])
    openai: Json = field(
        default_factory=lambda: {
            "ENABLE_OPENAI_API": True,
            "OPENAI_API_BASE_URLS": ["https://other/v1"],
            "OPENAI_API_KEYS": ["sk-other"],
            "OPENAI_API_CONFIGS": {"0": {"enable": True}},
        }
    )
    models: Json = field(
        default_factory=lambda: {"DEFAULT_MODELS": None, "DEFAULT_PINNED_MODELS": None, "MODEL_ORDER_LIST": []}
    )

    async def config(self, _: Request) -> JSONResponse:
        return JSONResponse({} if self.users else {"onboarding": True})

    async def signin(self, request: Request) -> JSONResponse:
        known = await request.json()
        if self.users.get(known["email"]) != known["password"]:
            return JSONResponse({"detail": "wrong"}, 400)
        return JSONResponse({"token": "tok", "role": self.roles.get(known["email"], "admin")})

    async def signup(self, request: Request) -> JSONResponse:
        form = await request.json()
        self.users[form["email"]] = form["password"]
        return await self.signin(request)

    async def functions(self, _: Request) -> JSONResponse:
        return JSONResponse([self.function] if self.function else [])

    async def write_function(self, request: Request) -> JSONResponse:
        self.function = {"is_active": False, **(self.function or {}), **await request.json()}
        return JSONResponse(self.function)

    async def toggle(self, _: Request) -> JSONResponse:
        assert self.function
        self.function["is_active"] = not self.function["is_active"]
        return JSONResponse(self.function)

    async def list_models(self, _: Request) -> JSONResponse:
        return JSONResponse({"data": [{"id": f"open_agent.{agent}"} for agent in self.agents] + [{"id": "gpt"}]})

    def keeping(self, name: str) -> Endpoint:
        async def read_or_write(request: Request) -> JSONResponse:
            if request.headers["authorization"] != "Bearer tok":
                return JSONResponse({}, 401)
            if request.method == "POST":
                setattr(self, name, await request.json())
            return JSONResponse(getattr(self, name))

        return read_or_write

    def routes(self) -> list[Route]:
        of_pipe = "/api/v1/functions/id/open_agent"
        return [
            Route("/api/config", self.config),
            Route("/api/v1/auths/signin", self.signin, methods=["POST"]),
            Route("/api/v1/auths/signup", self.signup, methods=["POST"]),
            Route("/api/v1/functions/", self.functions),
            Route("/api/v1/functions/create", self.write_function, methods=["POST"]),
            Route(f"{of_pipe}/update", self.write_function, methods=["POST"]),
            Route(f"{of_pipe}/toggle", self.toggle, methods=["POST"]),
            Route(f"{of_pipe}/valves", self.keeping("valves")),
            Route(f"{of_pipe}/valves/update", self.keeping("valves"), methods=["POST"]),
            Route("/openai/config", self.keeping("openai")),
            Route("/openai/config/update", self.keeping("openai"), methods=["POST"]),
            Route("/api/v1/configs/models", self.keeping("models"), methods=["GET", "POST"]),
            Route("/api/models", self.list_models),
        ]


@asynccontextmanager
async def open_webui_stand_in() -> AsyncIterator[StoodIn]:
    stood = StoodIn()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stood.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(Starlette(routes=stood.routes()), log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve([listener]))
        yield stood
        server.should_exit = True
        await serving
