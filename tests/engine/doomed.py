"""A process that carries runs until it is killed.

`python -m tests.engine.doomed FOLDER DATABASE_URL BASE_URL [repeatable]`.
Its one tool writes a line to FOLDER/acts, prints the run's id, and never returns.
"""

import asyncio
import sys
from pathlib import Path

from typing_extensions import override

from mcp_config.tools import ToolCall, ToolResult
from tests.engine.conftest import Site
from tests.engine.talk import ask
from tests.graph.workbench import Tool
from tests.support.scripted_model import ScriptedModel


class Elsewhere(ScriptedModel):
    """The scripted model of the process that started this one."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self._address = base_url

    @property
    @override
    def base_url(self) -> str:
        return self._address


async def carry(folder: Path, database_url: str, base_url: str, *, repeatable: bool) -> None:
    async def act(call: ToolCall) -> ToolResult:
        note_act(folder)
        print(call.caller.run_id, flush=True)  # noqa: T201 the word that its killer waits for
        await asyncio.Event().wait()
        raise AssertionError

    site = Site(folder, database_url, Elsewhere(base_url), {"time__now": Tool(act, repeatable=repeatable)})
    async with site.house() as house:
        await ask(house, "what time is it?", agent_id="clock")
        await asyncio.Event().wait()


def note_act(folder: Path) -> None:
    with (folder / "acts").open("a") as acts:
        acts.write("acted\n")


if __name__ == "__main__":
    asyncio.run(carry(Path(sys.argv[1]), *sys.argv[2:4], repeatable="repeatable" in sys.argv))
