"""How many sessions a caller may have open at the gateway, and how they end."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest
import pytest_asyncio

from tests.gateway.peer import open_peer
from tests.gateway.test_gateway import ACCEPT, GREETING
from tests.http.serving import OTHER_KEY, USER_KEY, Served, build_settings, open_served
from tests.support.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def narrow(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    more = {"mcp_sessions_per_caller": 2, "mcp_session_idle_seconds": 1.5, "mcp_servers": '{"mcpServers": {}}'}
    async with open_served(
        build_settings(tmp_path_factory.mktemp("narrow"), "http://127.0.0.1:9/v1", **more)
    ) as served:
        yield served


async def _greet(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post("/mcp", json=GREETING, headers=ACCEPT)


async def test_a_caller_with_as_many_sessions_as_anyone_may_have_is_refused_one_more(narrow: Served) -> None:
    async with AsyncExitStack() as stack:
        # their streams are open, so that none of them is idle
        first = await stack.enter_async_context(open_peer(narrow, USER_KEY))
        client = await stack.enter_async_context(narrow.client(USER_KEY))
        async with open_peer(narrow, USER_KEY):
            refused = await _greet(client)
            assert refused.status_code == 429
            error = refused.json()["error"]
            assert error["data"] == {"code": "too_many_sessions"}
            assert error["message"].startswith(
                "You have 2 sessions open at this gateway, and may not have more: end one"
            )
            async with narrow.client(OTHER_KEY) as other:
                assert (await _greet(other)).status_code == 200
            assert await first.names()
        # that one was ended by its client
        assert (await _greet(client)).status_code == 200


async def test_a_session_that_its_client_leaves_alone_ends(narrow: Served) -> None:
    async with narrow.client(USER_KEY) as client:
        left: list[str] = []

        async def is_admitted() -> bool:
            greeted = await _greet(client)
            left.extend([greeted.headers["mcp-session-id"]] if greeted.status_code == 200 else [])
            return len(left) > 2

        await until(is_admitted)
        ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
        gone = await client.post("/mcp", json=ping, headers={**ACCEPT, "Mcp-Session-Id": left[0]})
        assert gone.status_code == 404
