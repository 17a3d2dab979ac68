"""What docs/extending.md says, done: its files added to the shipped ones, a server started on them, its program run."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
import yaml

from config.checkout import CHECKOUT
from tests.docs.pages import PythonPage, read_page, run_page, trimmed
from tests.http.serving import ADMIN_KEY, Served, build_settings, open_served
from tests.support.scripted_model import Replies, ScriptedModel, has_result, plans_for, says

Tree = dict[str, Any]  # any of the three files, parsed
SHIPPED: Final = {
    "agents.yaml": "config/agents.yaml",
    "tool_policies.yaml": "config/tool_policies.yaml",
    "servers.json": "mcp_config/servers.json",
}


def added(shipped: Tree, fragment: Tree) -> Tree:
    """The shipped file after a reader has added the page's entries to it."""
    grown = {
        key: [*shipped[key], *more] if isinstance(more, list) else {**shipped[key], **more}
        for key, more in fragment.items()
    }
    return {**shipped, **grown}


@pytest.fixture
def page() -> PythonPage:
    return read_page("extending.md")


@pytest_asyncio.fixture
async def served(
    page: PythonPage, scripted_model: ScriptedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Served]:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "greetings_server.py").write_text(page.files["greetings_server.py"])
    for name, shipped in SHIPPED.items():
        fragment = yaml.safe_load(page.files[name])  # JSON is YAML, too
        (tmp_path / name).write_text(json.dumps(added(yaml.safe_load((CHECKOUT / shipped).read_text()), fragment)))
    servers = {"mcpServers": yaml.safe_load(page.files["servers.json"])["mcpServers"]}
    settings = build_settings(
        tmp_path / "data",
        scripted_model.base_url,
        agents_file=tmp_path / "agents.yaml",
        tool_policies_file=tmp_path / "tool_policies.yaml",
        mcp_servers=json.dumps(servers),
    )
    async with open_served(settings) as served:
        (tmp_path / "data" / "api_key").write_text(ADMIN_KEY)
        yield served


@pytest.mark.exhaustive
@pytest.mark.slow
async def test_the_page_shows_what_its_blocks_print(
    page: PythonPage, served: Served, scripted_model: ScriptedModel, tmp_path: Path
) -> None:
    scripted_model.when(plans_for("welcome Ada"), Replies.json({"steps": [{"agent": "greeter"}]}))
    scripted_model.when(has_result("Ada"), Replies.text("こんにちは, Ada!"))
    scripted_model.when(says("welcome Ada"), Replies.tool("greetings__greet", {"name": "Ada", "language": "ja"}))

    printed = await run_page(page, tmp_path, {"http://127.0.0.1:8000": served.url}, {})

    assert trimmed(printed) == trimmed(page.promised)


def test_every_name_that_a_reader_is_sent_to_is_there() -> None:
    text = (CHECKOUT / "docs" / "extending.md").read_text()
    sent = re.findall(r"\]\(\.\./([\w/.]+)\)", text)
    assert [name for name in sent if not (CHECKOUT / name).exists()] == []
    places = {
        "config/settings.py": ("ModelProvider", "_DEFAULT_MODELS", "def find_missing"),
        "nodes/models/traits.py": ("def find_traits",),
        "nodes/models/clients.py": ("class RemoteClient",),
        "config/agents.py": ("RESERVED",),
        "graph/builder.py": ('builder.add_edge(START, "dispatch")',),
    }
    lost = [name for path, names in places.items() for name in names if name not in (CHECKOUT / path).read_text()]
    assert lost == []
