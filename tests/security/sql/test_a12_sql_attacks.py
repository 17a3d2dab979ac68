"""A12: the published attacks of `attacks.yaml`, with the parser in front and against the engine alone."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from mcp_config.servers.sql.shop import create_shop
from tests.servers.peer import Peer, file_names, open_peer
from tests.support.postgres_shop import PostgresShop

pytestmark = pytest.mark.slow
"""Each test starts processes of its own."""

TOO_LONG = "took longer than"
LOCKS = [pytest.param([], id="parser"), pytest.param(["--engine-only"], id="engine-only")]


class Attack(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    dialects: list[Literal["sqlite", "postgres"]]
    sql: str
    only: Literal["parser"] | None = None


def load_attacks(dialect: Literal["sqlite", "postgres"], flags: Sequence[str]) -> list[Attack]:
    listed = yaml.safe_load(Path(__file__).with_name("attacks.yaml").read_text())
    attacks = TypeAdapter(list[Attack]).validate_python(listed)
    return [attack for attack in attacks if dialect in attack.dialects and not (flags and attack.only == "parser")]


async def find_successes(peer: Peer, attacks: Sequence[Attack]) -> dict[str, str]:
    answers = {attack.name: await peer.call("query", sql=attack.sql) for attack in attacks}
    return {name: answer.text for name, answer in answers.items() if not answer.failed}


@pytest.mark.parametrize("flags", LOCKS)
async def test_a12_every_attack_on_sqlite_is_refused_and_changes_nothing(flags: list[str], tmp_path: Path) -> None:
    shop = create_shop(tmp_path)
    before = hashlib.sha256(shop.read_bytes()).hexdigest()
    env = {"SQL_AGENT_DATABASE_URL": f"sqlite:///{shop}"}

    async with open_peer("sql", *flags, "--timeout=0.3", env=env) as peer:
        successes = await find_successes(peer, load_attacks("sqlite", flags))
        still_there = await peer.ok("query", sql="SELECT COUNT(*) FROM orders")

    assert successes == {}
    assert "500" in still_there
    assert hashlib.sha256(shop.read_bytes()).hexdigest() == before
    assert file_names(tmp_path) == [shop.name]


@pytest.mark.slow
@pytest.mark.parametrize("flags", LOCKS)
async def test_a12_every_attack_on_postgres_is_refused_and_changes_nothing(
    flags: list[str], postgres_shop: PostgresShop
) -> None:
    before = postgres_shop.fingerprint()

    async with open_peer("sql", *flags, "--timeout=0.5", env={"SQL_AGENT_DATABASE_URL": postgres_shop.url}) as peer:
        successes = await find_successes(peer, load_attacks("postgres", flags))
        still_there = await peer.ok("query", sql="SELECT COUNT(*) FROM orders")

    assert successes == {}
    assert "500" in still_there
    assert postgres_shop.fingerprint() == before


async def test_the_engine_alone_ends_a_query_at_its_deadline(tmp_path: Path) -> None:
    bomb = "SELECT count(*) FROM orders a, orders b, orders c, orders d"
    async with open_peer("sql", "--engine-only", "--timeout=0.3", env={"DATA_DIR": str(tmp_path)}) as peer:
        assert TOO_LONG in await peer.refusal("query", sql=bomb)


async def test_the_engine_alone_ends_a_query_that_fills_memory(tmp_path: Path) -> None:
    bomb = "SELECT printf('%.*c', 240000, 'x') || a.id || b.id FROM orders a, orders b ORDER BY 1"
    async with open_peer("sql", "--engine-only", "--timeout=30", env={"DATA_DIR": str(tmp_path)}) as peer:
        assert "too much memory" in await peer.refusal("query", sql=bomb)
        # no step looks at the deadline from within: what would take it long is not to be had
        long = "SELECT instr(printf('%.*c', 900000, 'a'), printf('%.*c', 450000, 'a') || 'b') AS place"
        assert "NULL" in await peer.ok("query", sql=long)


@pytest.mark.slow
async def test_a_superuser_is_refused_with_the_words_for_a_role_of_its_own(postgres_shop: PostgresShop) -> None:
    async with open_peer("sql", env={"SQL_AGENT_DATABASE_URL": postgres_shop.superuser_url}) as peer:
        assert "CREATE ROLE" in await peer.refusal("query", sql="SELECT 1")
        assert "CREATE ROLE" in await peer.refusal("schema")
