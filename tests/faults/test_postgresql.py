"""PostgreSQL under the real server: taken over (F02), restarted in mid-run (F18), out of connections (F19)."""

import asyncio
import shutil
import signal
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from server.identity.sealing import SEAL_FILE
from tests.faults.lab import Lab, get_run, start, whole_log
from tests.support.databases import PostgresServer, new_database
from tests.support.scripted_model import Replies, says
from tests.support.server_process import refused

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.exhaustive
async def test_f02_server_that_was_asleep_and_overtaken_writes_nothing_more_and_goes(
    lab: Lab, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    lab.model.when(says("overtaken"), Replies.tool("lab__act", {"key": "F02"}))
    lab.model.when(says("overtaken"), Replies.text("half ", "never").stalled(after=1), Replies.text("The ", "whole."))
    with new_database(postgres_server.url) as url:
        lab.settings["DATABASE_URL"] = url
        (tmp_path / "other" / "data").mkdir(parents=True)
        other = Lab(tmp_path / "other", lab.model, lab.settings)
        async with lab.serving() as asleep, asleep.client() as client:
            run_id = await start(client, "overtaken")
            await lab.model.requested(says("overtaken"), count=2)
            shutil.copy2(lab.folder / "data" / SEAL_FILE, other.folder / "data")  # who takes over brings it along
            asleep.process.send_signal(signal.SIGSTOP)
            try:
                assert "Another open-agent" in (await refused(other.environment()))[1]
                await cut_all_connections(url)
                async with other.serving() as server, server.client() as successor:
                    asleep.process.send_signal(signal.SIGCONT)
                    log = await whole_log(successor, run_id)
                    assert (log[-1].type, log[-1].attempt, lab.traces("act", "F02")) == ("run.completed", 2, 1)
                    assert await asyncio.wait_for(asleep.process.wait(), 200) == 1
                    assert await whole_log(successor, run_id) == log
            finally:
                with suppress(ProcessLookupError):
                    asleep.process.send_signal(signal.SIGCONT)
        assert "Another open-agent has taken this database" in (lab.folder / "log").read_text()


async def cut_all_connections(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as admin:
        await admin.execute(
            b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            b" WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


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
