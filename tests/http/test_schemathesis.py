"""Requests made of the description of the API, good and bad, against the real application: it never breaks, and no
answer comes that the description does not have. `SCHEMATHESIS_EXAMPLES=100` asks more, and for the bounds of all
schemas."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from config.checkout import CHECKOUT
from tests.http.serving import ADMIN_KEY, build_settings, open_served
from tests.support.scripted_model import Replies, ScriptedModel, anything, plans

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

HOOKS = "tests.http.schemathesis_hooks"
NOT_OURS = "positive_data_acceptance"
"""What the schema allows may still not fit the state: an agent that is not there, a conversation without a message."""


async def test_every_answer_is_one_that_is_described(tmp_path: Path, scripted_model: ScriptedModel) -> None:
    scripted_model.always(plans, Replies.plan([{"agent": "general", "task": "greet"}]))
    scripted_model.always(anything, Replies.text("Hello."))
    options = {"mcp_servers": '{"mcpServers": {}}', "log_level": "error"}
    async with open_served(build_settings(tmp_path / "data", scripted_model.base_url, **options)) as served:
        code, said = await ask_all(served.url, os.environ.get("SCHEMATHESIS_EXAMPLES"), tmp_path)
    assert code == 0, said


async def ask_all(url: str, examples: str | None, folder: Path) -> tuple[int | None, str]:
    """Returns the exit code and what was found."""
    phases = "examples,coverage,fuzzing" if examples else "examples,fuzzing"  # coverage takes a minute of CPU
    command = (
        sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()",
        "run", str(CHECKOUT / "docs" / "openapi.json"), "--url", url, "--header", f"Authorization: Bearer {ADMIN_KEY}",
        "--checks", "all", "--exclude-checks", NOT_OURS, "--phases", phases,
        "--max-examples", examples or "1", "--continue-on-failure", "--seed", "1", "--generation-database", "none",
        "--no-color",
    )  # fmt: skip
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "no_proxy": "127.0.0.1",
        "PYTHONPATH": str(CHECKOUT), "SCHEMATHESIS_HOOKS": HOOKS,
        "SCHEMATHESIS_BENCHMARK_SEED": "1",  # examples and coverage are drawn with this one, and not with `--seed`
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()
