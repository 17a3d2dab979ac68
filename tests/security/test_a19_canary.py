"""A19: a secret of the environment, in arguments, results and a model's words, is in no event, row, answer or file."""

import base64
import json
from pathlib import Path

import pytest

from tests.http.serving import Json, follow, start_run
from tests.security.house import open_house
from tests.support.scripted_model import Replies, ScriptedModel, says

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

CANARY = "planted-Canary/9f3b7c21d8"
FORMS = [CANARY, base64.b64encode(CANARY.encode()).decode()[:33], CANARY.encode().hex()]


def found_in(text: str | bytes) -> list[str]:
    raw = text.encode() if isinstance(text, str) else text
    return [form for form in FORMS if form.encode() in raw]


async def test_a_planted_secret_is_found_nowhere(model: ScriptedModel, tmp_path: Path) -> None:
    letter: Json = {"to": "ann", "text": f"{CANARY} {FORMS[2]}"}
    model.when(lambda r: says("a19")(r) and not r.tool_results, Replies.tool("house__send", letter))
    cut = [CANARY[:5], CANARY[5:11], CANARY[11:] + " and ", FORMS[1][:7], FORMS[1][7:], " done"]
    model.when(lambda r: says("a19")(r) and len(r.tool_results) == 1, Replies.text(*cut))
    environment = {"HOUSE_TOKEN": CANARY}
    async with open_house(model, tmp_path, environment=environment) as house:
        await house.govern(rules=[{"match": "*", "verdict": "allow"}])
        await house.hire("a19", "house__*")
        run = await start_run(house.user, "a19 tell me", "a19")
        events = await follow(house.user, run["id"])
        assert json.loads(events[-1].data)["type"] == "run.completed"
        said = "".join(json.loads(e.data)["delta"] for e in events if e.event == "model.delta" and "answer" in e.data)
        assert said == "[hidden] and [hidden] done"
        assert any(CANARY in line for line in house.letters), "a tool is sent what was meant"
        seen = [event.data for event in events]
        paths = (f"/v1/runs/{run['id']}", f"/v1/runs/{run['id']}/steps", "/v1/conversations", "/metrics")
        seen += [(await house.user.get(path)).text for path in paths]
        seen.append((await house.invoke(house.user, "house__send", **letter)).text)
        seen.append((await house.invoke(house.user, "house__send", to=CANARY)).text)
        seen.append(json.dumps(await house.audit()))
        folder = house.served.settings.data_dir
        files = {file.name: file.read_bytes() for file in folder.iterdir() if file.name.startswith("app.db")}
    assert [text for text in seen if found_in(text)] == []
    assert {name: found for name, raw in files.items() if (found := found_in(raw))} == {}
    kept = [file for file in folder.rglob("*") if file.is_file() and file.name != "letters"]
    assert [file.name for file in kept if found_in(file.read_bytes())] == []
