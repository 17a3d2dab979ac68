"""The real server process on a folder of its own, with a scripted model and one small tool server; and what a client
does with it. It is started, killed by its id, and started again on what it left.
"""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from config.checkout import CHECKOUT
from graph.events import RunEvent, run_events
from tests.graph.laws import check_laws
from tests.http.serving import Json, Sent, converse, follow
from tests.support.scripted_model import ScriptedModel
from tests.support.server_process import Running, build_environment, serving

AGENTS: Final = """
models: {}
agents:
  - {id: router, name: Router, role: router, description: Plans., system_prompt: You plan.}
  - {id: general, name: General, description: Talks., system_prompt: You talk.}
  - {id: worker, name: Worker, description: Acts., system_prompt: You act., allowed_tools: [lab__*]}
"""
POLICIES: Final = """
rules:
  - {match: lab__*, agents: ["[a-z]*"], verdict: allow}
"""


@dataclass
class Lab:
    """A data folder and what outlives the processes that work in it, one after the other."""

    folder: Path
    model: ScriptedModel
    settings: dict[str, str] = field(default_factory=dict)
    policies: str = POLICIES

    def environment(self) -> dict[str, str]:
        command = {"command": "${PYTHON}", "args": ["-I", "-S", ACTING_SERVER, str(self.folder)]}
        (self.folder / "agents.yaml").write_text(AGENTS)
        (self.folder / "policies.yaml").write_text(self.policies)
        return build_environment(
            self.folder / "data",
            OPENAI_BASE_URL=self.model.base_url,
            DEFAULT_MODEL="scripted",
            MCP_SERVERS=json.dumps({"mcpServers": {"lab": command}}),
            AGENTS_FILE=str(self.folder / "agents.yaml"),
            TOOL_POLICIES_FILE=str(self.folder / "policies.yaml"),
            **self.settings,
        )

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Running]:
        async with serving(self.environment(), self.folder / "log") as running:
            yield running

    def traces(self, tool: str, key: str) -> int:
        """Returns how often the tool itself says that it acted."""
        path = self.folder / f"{tool}-{key}"
        return path.read_text().count("done") if path.exists() else 0


ACTING_SERVER: Final = str(CHECKOUT / "tests" / "support" / "acting_server.py")


async def start(client: httpx.AsyncClient, content: str, agent_id: str = "worker") -> str:
    """Returns the id of a new run."""
    conversation = await converse(client, content)
    answer = await client.post(f"/v1/conversations/{conversation}/runs", json={"agent_id": agent_id})
    run_id: str = answer.raise_for_status().json()["id"]
    return run_id


async def get_run(client: httpx.AsyncClient, run_id: str) -> Json:
    run: Json = (await client.get(f"/v1/runs/{run_id}")).raise_for_status().json()
    return run


async def whole_log(client: httpx.AsyncClient, run_id: str) -> list[RunEvent]:
    """Follows the run to its end, checks the laws of the log, and returns it."""
    sent = await follow(client, run_id)
    check_numbers(sent, after=0)
    log = [run_events.validate_json(each.data) for each in sent]
    check_laws(log)
    return log


def check_numbers(sent: Sequence[Sent], after: int) -> None:
    """Raises `AssertionError` where an event is missing or comes twice."""
    assert [int(each.id) for each in sent] == list(range(after + 1, after + 1 + len(sent)))
