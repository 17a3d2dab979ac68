"""An agent whose one tool asks a person first, and counts for itself how often it has acted."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from config.checkout import CHECKOUT
from tests.http.serving import Json
from tests.support.scripted_model import Replies, ScriptedModel, has_result, says
from tests.support.scripted_replies import Match
from tests.support.waiting import until

ACTING_SERVER: Final = str(CHECKOUT / "tests" / "support" / "acting_server.py")
ACT: Final = "acting__act"


def traces_in(folder: Path) -> Path:
    traces = folder / "traces"
    traces.mkdir(exist_ok=True)
    return traces


@dataclass(frozen=True)
class Deputy:
    traces: Path

    def deeds(self, key: str) -> int:
        """Returns how often the tool says it has acted."""
        trace = self.traces / f"act-{key}"
        return trace.read_text().count("done") if trace.exists() else 0


def acts(model: ScriptedModel, question: str, *keys: str, answer: str = "It is done.") -> None:
    """Has the model answer the question by acting, with all keys at once, and then in words."""

    def told(request_says: Match, result: str) -> Match:
        return lambda request: request_says(request) and has_result(result)(request)

    model.when(told(says(question), ""), Replies.text(answer))
    model.when(says(question), Replies.tools(*((ACT, {"key": key}) for key in keys)))


async def waiting(client: httpx.AsyncClient, keys: set[str]) -> list[Json]:
    """Returns the open questions about these keys, by key, once all are there and their run waits."""
    found: list[Json] = []

    async def asked() -> bool:
        page = (await client.get("/v1/approvals", params={"status": "pending", "limit": 100, "order": "asc"})).json()
        found[:] = [each for each in page["data"] if each["arguments"].get("key") in keys]
        runs = [(await client.get(f"/v1/runs/{each['run_id']}")).json()["status"] for each in found]
        return len(found) == len(keys) and set(runs) == {"requires_action"}

    await until(asked)
    return sorted(found, key=lambda each: str(each["arguments"]["key"]))
