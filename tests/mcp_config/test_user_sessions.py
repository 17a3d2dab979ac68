"""Sessions of callers' own: how many there are, how long they last, and what changed unheard."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from mcp_config.entries.server_config import ServerConfig
from mcp_config.errors import ServerUnavailable
from mcp_config.identity.user_sessions import UserSessions
from mcp_config.upstream.connection import Connection
from mcp_config.upstream.warden import Warden
from tests.support.chaos_http import ChaosHttp, open_chaos_http
from tests.support.waiting import until


class Rig:
    """Two owners with a credential each, and a server that writes down what it is sent."""

    def __init__(self, chaos: ChaosHttp, idle: float, most: int) -> None:
        self.chaos = chaos
        self.tokens = {"uma": "umas-token", "otto": "ottos-token"}
        config = ServerConfig(
            "desk", "http", url=f"http://127.0.0.1:{chaos.port}/mcp", user_headers={"X-Key": "${user:DESK}"}
        )
        self.shared = Connection(config, Warden(None), 5, lambda: None)
        self.sessions = UserSessions(self._find, 5, idle=idle, most=most)

    async def _find(self, owner: str) -> Mapping[str, str]:
        return {"DESK": self.tokens[owner]}

    async def call(self, owner: str) -> Connection:
        async with self.sessions.join(self.shared, owner) as joined:
            await joined.connection.call("echo", {}, 5)
        return joined.connection

    def began(self) -> list[str]:
        """Returns whose sessions began, in order."""
        return [headers["x-key"] for method, headers in self.chaos.seen if method == "initialize"]


@asynccontextmanager
async def open_rig(*, idle: float = 60, most: int = 10) -> AsyncIterator[Rig]:
    async with open_chaos_http(ChaosHttp()) as chaos:
        rig = Rig(chaos, idle, most)
        try:
            yield rig
        finally:
            await rig.sessions.close()


async def test_a_session_is_kept_from_call_to_call() -> None:
    async with open_rig() as rig:
        assert await rig.call("uma") is await rig.call("uma")
        assert rig.began() == ["umas-token"]


async def test_a_session_that_nobody_uses_ends() -> None:
    async with open_rig(idle=0.05) as rig:
        first = await rig.call("uma")
        await until(lambda: first.health.state == "failed")
        assert await rig.call("uma") is not first


async def test_the_one_that_was_idle_longest_makes_room_and_none_at_work_does() -> None:
    async with open_rig(most=1) as rig:
        umas = await rig.call("uma")
        async with rig.sessions.join(rig.shared, "otto"):
            await until(lambda: umas.health.state == "failed")
            with pytest.raises(ServerUnavailable, match="too many"):
                await rig.call("uma")


async def test_a_credential_that_changed_unheard_is_used_from_the_next_call_on() -> None:
    async with open_rig() as rig:
        await rig.call("uma")
        rig.tokens["uma"] = "umas-new-token"
        await rig.call("uma")
        assert rig.began() == ["umas-token", "umas-new-token"]
