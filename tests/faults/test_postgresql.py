"""PostgreSQL under the real server: restarted in the middle of a run (F18), and out of connections (F19)."""

import asyncio
import time
from contextlib import AsyncExitStack
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from tests.faults.lab import Lab, get_run, start, whole_log
from tests.support.databases import PostgresServer, new_database
from tests.support.scripted_model import Replies, says

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.exhaustive
async def test_f18_run_goes_on_after_an_immediate_restart(lab: Lab, postgres_server: PostgresServer) -> None:
    gate = asyncio.Event()
    lab.model.when(says("outlive it"), Replies.text("one ", "two ", "three").held(gate, after=1))
    with new_database(postgres_server.url) as url:
        lab.settings["DATABASE_URL"] = url
        async with lab.serving() as server, server.client() as client:
            run_id = await start(client, "outlive it", "general")
            await lab.model.requested(says("outlive it"))
            await asyncio.to_thread(postgres_server.restart)
            gate.set()
            began = time.monotonic()
            log = await whole_log(client, run_id)
            assert time.monotonic() - began < 60  # wide: the machine may be busy
            assert (log[-1].type, (await get_run(client, run_id))["attempt"]) == ("run.completed", 1)
            assert (await client.get("/readyz")).status_code == 200
            assert await server.stop() == 0


@pytest.mark.exhaustive
async def test_f19_without_free_connections_it_says_so_and_recovers(lab: Lab, postgres_server: PostgresServer) -> None:
    limit = 12
    with new_database(postgres_server.url) as url:
        parts = urlsplit(url)
        app_url = urlunsplit(parts._replace(netloc="lab_app@"))
        name = parts.path.removeprefix("/")
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as owner:
            await owner.execute(f"CREATE ROLE lab_app LOGIN CONNECTION LIMIT {limit}".encode())
            await owner.execute(f"ALTER DATABASE {name} OWNER TO lab_app".encode())
            await owner.execute(b"ALTER SCHEMA public OWNER TO lab_app")
        lab.settings["DATABASE_URL"] = app_url
        async with lab.serving() as server, server.client() as client:
            async with AsyncExitStack() as taken:
                for _ in range(limit):
                    try:
                        other = await psycopg.AsyncConnection.connect(app_url)
                    except psycopg.OperationalError:  # the last one there was
                        break
                    await taken.enter_async_context(other)
                answers = await asyncio.gather(*(client.get("/v1/conversations") for _ in range(20)))
                assert {answer.status_code for answer in answers} <= {200, 503}
                busy = [answer for answer in answers if answer.status_code == 503]
                assert busy, "the connections it held were enough"
                assert busy[0].json()["code"] == "database_unavailable"
                assert "Retry-After" in busy[0].headers
            assert (await client.post("/v1/conversations")).status_code == 201
            answers = await asyncio.gather(*(client.get("/v1/conversations") for _ in range(20)))
            assert {answer.status_code for answer in answers} == {200}
            assert await server.stop() == 0
