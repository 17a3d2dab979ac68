"""A served product with the hostile house as its one tool server, and short ways to act in it."""

import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from config.settings import Settings
from tests.http.serving import (
    ADMIN_KEY,
    OTHER_KEY,
    USER_KEY,
    Json,
    Served,
    build_settings,
    follow,
    open_served,
    start_run,
)
from tests.support.scripted_model import Replies, ScriptedModel, says
from tests.support.scripted_replies import Match
from tests.support.waiting import until

CHAOS = Path(__file__).parent.parent / "support" / "chaos_server.py"
ACT: Json = {"name": "act", "description": "Looks at the weather.", "inputSchema": {"type": "object"}}
"""What the server `turncoat` says of its tool; it says what the file `act.json` holds by then."""
HOUSE = Path(__file__).parent.parent / "support" / "hostile_house.py"


def build_house_settings(folder: Path, model_url: str, **more: object) -> Settings:
    server = {"command": sys.executable, "args": ["-I", "-S", str(HOUSE), str(folder / "letters")]}
    turncoat = {"command": sys.executable, "args": ["-I", "-S", str(CHAOS), "turncoat", str(folder / "act.json")]}
    (folder / "act.json").write_text(json.dumps(ACT))
    policies = folder / "policies.yaml"
    policies.write_text("rules: [{match: '*', verdict: allow}]\n")
    servers = json.dumps({"mcpServers": {"house": server, "turncoat": turncoat}})
    return build_settings(folder, model_url, mcp_servers=servers, tool_policies_file=policies, **more)


@dataclass(frozen=True)
class House:
    """One served product, a scripted model behind it, and its clients."""

    served: Served
    model: ScriptedModel
    admin: httpx.AsyncClient
    user: httpx.AsyncClient
    other: httpx.AsyncClient

    @property
    def letters(self) -> list[str]:
        """What has left the house."""
        file = self.served.settings.data_dir / "letters"
        return file.read_text().splitlines() if file.exists() else []

    async def govern(self, **policies: object) -> None:
        answer = await self.admin.put("/v1/policies", json={"policies": policies})
        assert answer.status_code == 200, answer.text

    async def hire(self, agent_id: str, *tools: str) -> None:
        """Adds the agent, or gives it these tools."""
        spec = {"id": agent_id, "name": "A", "description": "d", "system_prompt": f"You are {agent_id}."}
        await self.admin.post("/v1/agents", json=spec)
        (await self.admin.patch(f"/v1/agents/{agent_id}", json={"allowed_tools": tools})).raise_for_status()

    async def run(self, words: str, agent: str, *calls: tuple[str, Json]) -> list[Json]:
        """Has the agent's model ask for these calls one after the other; returns what became of each in the events."""
        self._script(words, calls)
        run = await start_run(self.user, words, agent)
        return await self.outcome(run["id"])

    async def converse(self, words: str, agent: str, *calls: tuple[str, Json]) -> str:
        """Does the same, and returns the conversation."""
        self._script(words, calls)
        run = await start_run(self.user, words, agent)
        await self.outcome(run["id"])
        conversation_id: str = run["conversation_id"]
        return conversation_id

    async def go_on(
        self, conversation_id: str, words: str, agent: str, *calls: tuple[str, Json], **message: str
    ) -> list[Json]:
        """Does in a conversation what `run` does in a new one."""
        self._script(words, calls)
        path, said = f"/v1/conversations/{conversation_id}", {"role": "user", "content": words, **message}
        (await self.user.post(f"{path}/messages", json=said)).raise_for_status()
        run = (await self.user.post(f"{path}/runs", json={"agent_id": agent})).raise_for_status().json()
        return await self.outcome(run["id"])

    def _script(self, words: str, calls: Sequence[tuple[str, Json]]) -> None:
        for number, (tool, arguments) in enumerate(calls):
            ask = Replies.tool(tool, arguments, call_id=f"{words.replace(' ', '_')}-{number}")
            self.model.when(_turn(words, number), ask)
        self.model.when(_turn(words, len(calls)), Replies.text("done"))

    async def outcome(self, run_id: str) -> list[Json]:
        """Returns the calls of a run that has ended, or that waits for a person (and is then cancelled)."""

        async def standing() -> bool:
            status: str = (await self.user.get(f"/v1/runs/{run_id}")).json()["status"]
            return status in ("completed", "failed", "cancelled", "requires_action")

        await until(standing)
        await self.user.post(f"/v1/runs/{run_id}/cancel")
        events = [json.loads(event.data) for event in await follow(self.user, run_id)]
        ends = ("tool.call.result", "approval.requested")
        waiting = {event["call_id"] for event in events if event["type"] == ends[1]}
        done = [event for event in events if event["type"] == ends[0] and event["call_id"] not in waiting]
        return done + [event for event in events if event["type"] == ends[1]]

    async def start(self, words: str, agent: str) -> str:
        """Starts a run and returns its id once it has ended."""
        run_id: str = (await start_run(self.user, words, agent))["id"]
        await follow(self.user, run_id)
        return run_id

    def by(self, client: httpx.AsyncClient) -> "House":
        """Returns the same house with another user at work."""
        return replace(self, user=client)

    async def audit(self, **query: str | int) -> list[Json]:
        found: list[Json] = (await self.admin.get("/v1/audit", params=query)).raise_for_status().json()["data"]
        return found

    async def invoke(self, client: httpx.AsyncClient, tool: str, **arguments: str) -> httpx.Response:
        return await client.post(f"/v1/tools/{tool}/invoke", json={"arguments": arguments})


def _turn(words: str, number: int) -> Match:
    return lambda request: says(words)(request) and len(request.tool_results) == number


@asynccontextmanager
async def open_house(model: ScriptedModel, folder: Path, **more: object) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(open_served(build_house_settings(folder, model.base_url, **more)))
        clients = [await stack.enter_async_context(served.client(key)) for key in (ADMIN_KEY, USER_KEY, OTHER_KEY)]
        house = House(served, model, *clients)
        await house.admin.post("/v1/tools/house__page/check", json={})  # waits until the server is up
        yield house
