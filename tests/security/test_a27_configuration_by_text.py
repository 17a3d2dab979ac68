"""A27. Text stays text: no YAML tag makes an object, no `${NAME}` of a client is filled, no client names a command."""

import json
from pathlib import Path

import pytest

from config.agents import load_agents
from config.errors import ConfigError
from config.policies import load_policies
from tests.http.serving import Json
from tests.security.house import House
from tests.security.routes import all_routes

SETTING_COMMANDS = ("command", "args", "mcp_servers", "mcpServers", "env", "url", "headers")


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system", "!!python/name:os.system", "!!python/object/new:list", "!custom"]
)
def test_yaml_tags_make_nothing(tmp_path: Path, tag: str) -> None:
    file, witness = tmp_path / "file.yaml", tmp_path / "witness"
    file.write_text(f"agents: {tag} ['touch {witness}']\nrules: {tag} ['touch {witness}']\n")
    for load in (load_agents, load_policies):
        with pytest.raises(ConfigError):
            load(file)
    assert not witness.exists()


def test_a_yaml_file_that_unfolds_without_end_is_refused_or_small(tmp_path: Path) -> None:
    file = tmp_path / "bomb.yaml"
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    file.write_text("\n".join(["a0: &a0 [x]", *levels]))
    with pytest.raises(ConfigError):
        load_policies(file)


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="session")
async def test_references_from_clients_are_never_filled(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A27_CANARY", "filled")
    text = "${A27_CANARY} ${env:A27_CANARY} $A27_CANARY ${PATH:-filled}"
    title = await house.user.post("/v1/conversations", json={"title": text, "metadata": {"m": text}})
    assert (title.json()["title"], title.json()["metadata"]) == (text, {"m": text})
    spec = {"id": "a27", "name": text, "description": text, "system_prompt": text}
    made = await house.admin.post("/v1/agents", json=spec)
    assert (made.json()["name"], made.json()["system_prompt"]) == (text, text)
    await house.govern(rules=[{"match": "*", "verdict": "allow"}])
    sent = await house.invoke(house.admin, "house__send", to=text, text=text)
    assert sent.status_code == 200, sent.text
    assert json.loads(house.letters[-1]) == {"to": text, "text": text}
    assert (await house.admin.delete("/v1/agents/a27")).status_code == 204


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="session")
async def test_no_route_takes_what_a_tool_server_is_started_with(house: House) -> None:
    document: Json = (await house.admin.get("/openapi.json")).json()
    taken = [route for route in await all_routes(house.admin) if route.body is not None]
    assert not [route.path for route in taken if set(route.body or {}) & set(SETTING_COMMANDS)]
    schemas = document["components"]["schemas"]
    bodies = {name for name in schemas if f"#/components/schemas/{name}" in json.dumps(_bodies(document))}
    named = {name: set(schemas[name].get("properties", {})) & set(SETTING_COMMANDS) for name in bodies}
    assert {name: found for name, found in named.items() if found} == {}
    spec: Json = {"id": "a27", "name": "A", "description": "d", "system_prompt": "p"}
    for name in SETTING_COMMANDS:
        answer = await house.admin.post("/v1/agents", json={**spec, name: "touch /tmp/x"})
        assert (answer.status_code, name) == (422, name)


def _bodies(document: Json) -> list[object]:
    return [operation.get("requestBody") for item in document["paths"].values() for operation in item.values()]
