"""What a start brings in, and what it leaves until it is needed."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from config.checkout import CHECKOUT
from server.db.migrating import migrate

START = """
import sys, server.app, server.cli.process, server.cli.weights
from server.db.migrating import migrate
migrate(sys.argv[1])
print(*sys.modules)
"""
"""All that `open-agent serve` imports, and the look at its database."""
LATER = {
    "alembic": "the database is to be moved",
    "psycopg": "it is PostgreSQL",
    "redis": "REDIS_URL is set",
    "cryptography": "a credential is stored, a run checkpointed, or tokens are signed",
    "jwt": "tokens are signed",
    "sqlglot": "an agent may read some tables only",
    "openai": "a model of OpenAI's API is asked",
    "ollama": "a model of Ollama is asked",
    "xllamacpp": "the embedded model is started, in a process of its own",
}
"""What is big, and when it is imported."""


@pytest.mark.slow
async def test_start_on_a_database_as_it_should_be_imports_only_what_every_start_needs(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path}/app.db"
    migrate(address)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", START, address, cwd=CHECKOUT, stdout=PIPE)
    async with asyncio.timeout(50):
        printed, _ = await process.communicate()
    imported = set(printed.decode().split())
    assert "server.composition" in imported
    assert imported & LATER.keys() == set()
