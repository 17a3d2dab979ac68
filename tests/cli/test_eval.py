"""`open-agent eval`, run as people run it, against a scripted model."""

import asyncio
import sys
from pathlib import Path

import pytest

from config.checkout import CHECKOUT
from tests.support.scripted_model import Replies, ScriptedModel, plans_for

LABELLED = """\
messages:
- {message: "hello there", agents: [general]}
- {message: "time in Rome?", agents: [tool-agent], held: true}
- message: "count them, then the time"
  agents: [sql-agent, tool-agent]
"""


async def evaluate(model: ScriptedModel, folder: Path, *options: str) -> tuple[int, str, str]:
    file = folder / "labelled.yaml"
    file.write_text(LABELLED)
    code = "from server.cli.eval import evaluate; import typer; typer.run(evaluate)"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, "--file", str(file), *options),
        cwd=CHECKOUT,
        env={"OPENAI_BASE_URL": model.base_url, "DATA_DIR": str(folder), "PATH": "/usr/bin:/bin", "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, complained = await process.communicate()
    return process.returncode or 0, printed.decode(), complained.decode()


@pytest.mark.exhaustive
@pytest.mark.slow
async def test_right_plans_are_counted_by_agent(scripted_model: ScriptedModel, tmp_path: Path) -> None:
    count = {"agent": "sql-agent", "task": "count"}
    scripted_model.when(plans_for("hello there"), Replies.json({"steps": [{"agent": "general"}]}))
    scripted_model.when(plans_for("time in Rome?"), Replies.json({"steps": [{"agent": "tool-agent"}]}))
    scripted_model.when(plans_for("count them"), Replies.plan([count, {"agent": "tool-agent", "task": "time"}]))

    code, printed, complained = await evaluate(scripted_model, tmp_path)

    assert (code, complained) == (0, "")
    assert printed.splitlines() == [
        "general            1 of   1  100.0%",
        "tool-agent         1 of   1  100.0%",
        "several steps      1 of   1  100.0%",
        "routing accuracy   3 of   3  100.0%",
    ]


@pytest.mark.exhaustive
@pytest.mark.slow
async def test_wrong_plan_is_shown_and_fails_the_command(scripted_model: ScriptedModel, tmp_path: Path) -> None:
    scripted_model.when(plans_for("time in Rome?"), Replies.json({"steps": [{"agent": "general"}]}))

    code, printed, complained = await evaluate(scripted_model, tmp_path, "--held")

    assert code == 1
    assert "'time in Rome?' needs tool-agent, was planned for general" in printed
    assert "0 of   1" in printed
    assert "below 90%" in complained
