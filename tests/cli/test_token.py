"""`open-agent token`: keys made and revoked on the database itself, beside a server that runs."""

import json
from pathlib import Path

import pytest

from tests.cli.terminal import Ran, run, surroundings
from tests.http.serving import Served

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


async def token(data_dir: Path, *arguments: str) -> Ran:
    return await run("token", *arguments, env=surroundings(DATA_DIR=str(data_dir), MODEL_PROVIDER="embedded"))


async def test_a_key_made_and_revoked_offline_starts_and_stops_in_a_running_server(served: Served) -> None:
    data_dir = served.settings.data_dir
    made = json.loads((await token(data_dir, "create", "nightly", "--role", "service", "--days", "7", "--json")).out)
    async with served.client(made["token"]) as nightly:
        assert (await nightly.get("/v1/conversations")).status_code == 200
        assert (await token(data_dir, "revoke", made["id"])).out == f"{made['id']}: revoked\n"
        assert (await nightly.get("/v1/conversations")).status_code == 401
    listed = await token(data_dir, "list")
    assert "revoked" in listed.out
    assert made["token"] not in listed.out


@pytest.mark.exhaustive
async def test_without_a_server_a_key_is_printed_alone_on_standard_output(tmp_path: Path) -> None:
    made = await token(tmp_path, "create", "me")
    assert made.out.startswith("oat_")
    assert len(made.out.split()) == 1
    assert "only time" in made.err
    assert "me" in (await token(tmp_path, "list")).out
    wrong = await token(tmp_path, "revoke", "key_none")
    assert (wrong.code, wrong.err) == (1, "There is no key of this id; `open-agent token list` shows them.\n")


@pytest.mark.exhaustive
async def test_with_an_address_the_server_is_asked(served: Served) -> None:
    made = await run("token", "create", "far", env=surroundings(served.url))
    async with served.client(made.out.strip()) as far:
        assert (await far.get("/v1/conversations")).status_code == 200
