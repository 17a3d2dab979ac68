"""A served product that takes the tokens of an issuer, and what it says to one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.http.serving import Json, Served, build_settings, open_served
from tests.support.issuer import AUDIENCE, NAME, Issuer


@dataclass(frozen=True)
class Door:
    served: Served
    issuer: Issuer

    async def answer(self, token: str, path: str = "/v1/conversations", method: str = "GET") -> httpx.Response:
        async with self.served.client(token) as client:
            return await client.request(method, path)

    async def status(self, token: str) -> int:
        return (await self.answer(token)).status_code

    async def refusal(self, token: str) -> Json:
        """Returns all that someone who is not let in is told, but for the request's own id."""
        answer = await self.answer(token)
        assert answer.headers.get("WWW-Authenticate") == 'Bearer realm="open-agent", error="invalid_token"'
        told: Json = answer.json()
        del told["request_id"]
        return told


@asynccontextmanager
async def open_door(folder: Path, issuer: Issuer, **more: object) -> AsyncIterator[Door]:
    settings = build_settings(
        folder,
        "http://127.0.0.1:1/v1",
        mcp_servers='{"mcpServers": {}}',
        auth_mode="jwt",
        jwt_issuer=NAME,
        jwt_audience=AUDIENCE,
        **more,
    )
    async with open_served(settings) as served:
        yield Door(served, issuer)
