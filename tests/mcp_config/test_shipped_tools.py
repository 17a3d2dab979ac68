"""What the product ships: its servers come up, its rules let the agents do their work and nothing more."""

from pathlib import Path

import pytest

from config.agents import AgentsFile
from config.checkout import CHECKOUT
from config.policies import ToolPolicies
from config.settings import Settings, load_settings
from config.yaml_file import load_yaml
from mcp_config.calls.decision import decide
from mcp_config.definitions.pins import load_lock
from mcp_config.definitions.quarantine import Quarantine
from mcp_config.entries.server_variables import build_variables
from mcp_config.entries.servers_file import load_servers
from mcp_config.guards import Guards
from mcp_config.inventory import Deadlines
from mcp_config.registry import open_registry
from mcp_config.tools import Caller
from tests.mcp_config.rig import Rig

POLICIES = load_yaml(CHECKOUT / "config" / "tool_policies.yaml", ToolPolicies)
AGENTS = {one.id: one for one in load_yaml(CHECKOUT / "config" / "agents.yaml", AgentsFile).agents}


def settings(data_dir: Path) -> Settings:
    return load_settings(None, data_dir=data_dir)


@pytest.mark.parametrize(
    ("agent", "tool", "verdict"),
    [
        ("tool-agent", "time__get_current_time", "allow"),
        ("tool-agent", "calculator__calculate", "allow"),
        ("tool-agent", "fetch__fetch", "allow"),
        ("sql-agent", "sql__query", "allow"),
        ("docs-agent", "docs__search", "allow"),
        ("devops-agent", "devops__disk_usage", "allow"),
        ("devops-agent", "git__git_diff_staged", "allow"),
        ("devops-agent", "git__git_commit", "deny"),
        ("sql-agent", "git__git_log", "deny"),
        ("general", "brand_new_server__tool", "deny"),
    ],
)
def test_shipped_rules_let_agents_use_what_they_are_for_and_no_more(agent: str, tool: str, verdict: str) -> None:
    assert decide(Caller("alice", agent), tool, {}, POLICIES, AGENTS[agent]).verdict == verdict


@pytest.mark.parametrize(("role", "verdict"), [("admin", "allow"), ("user", "deny"), ("service", "deny")])
def test_only_an_administrator_calls_tools_by_hand(role: str, verdict: str) -> None:
    caller = (
        Caller("root", role="admin") if role == "admin" else Caller("x", role="user" if role == "user" else "service")
    )
    assert decide(caller, "time__get_current_time", {}, POLICIES, None).verdict == verdict


def test_git_is_not_started_in_a_checkout_without_history(tmp_path: Path) -> None:
    variables = {**build_variables(settings(tmp_path)), "PROJECT_DIR": str(tmp_path)}
    servers = {server.name: server for server in load_servers(settings(tmp_path).mcp_servers, variables)}
    assert servers["git"].obstacle == f"it needs {tmp_path}/.git, which is not there"


@pytest.mark.slow
async def test_all_shipped_servers_come_up_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    servers = load_servers(settings(tmp_path).mcp_servers, build_variables(settings(tmp_path)))
    started = [server for server in servers if not server.obstacle]
    guards = Guards(quarantine=Quarantine(load_lock(settings(tmp_path).tools_lock)))
    async with open_registry(started, POLICIES, AGENTS.get, Deadlines(30, 10), guards) as registry:
        await registry.ready(["*"])
        # `make tools-lock` puts right what is here
        assert [(change.server, change.kind) for change in registry.quarantine.changes()] == []
        assert {health.state for health in registry.health().values()} == {"ready"}
        names = {spec.name for spec in registry.all()}
        assert {
            "time__get_current_time",
            "calculator__calculate",
            "fetch__fetch",
            "sql__query",
            "docs__search",
        } <= names
        assert not {"git__git_commit", "git__git_add", "git__git_reset", "git__git_checkout"} & names
        by = {agent: Rig(registry, Caller("alice", agent)) for agent in AGENTS}
        now = await by["tool-agent"].call("time__get_current_time", timezone="Asia/Tokyo")
        assert "+09:00" in now.content
        assert (await by["tool-agent"].call("calculator__calculate", expression="17*23+4")).content == "395"
        refused = await by["tool-agent"].call("fetch__fetch", url="http://127.0.0.1:9/")
        assert (refused.status, "not a public address" in refused.content) == ("error", True)
