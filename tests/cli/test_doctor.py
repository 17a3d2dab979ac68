"""`open-agent doctor` on sound and on broken set-ups: each fault is one line that names it and its mend."""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from config.checkout import CHECKOUT
from config.policies import Rule, ToolPolicies
from mcp_config.definitions.pins import Lock, build_pin, write_lock
from server.cli.checks.machine import find_network_file_system
from server.db.migrating import migrate
from server.db.store import open_store
from server.keys import Principal
from server.listening import address_of, bind
from tests.cli.terminal import Ran, run, surroundings
from tests.http.serving import ADMIN_KEY, build_settings, open_served
from tests.support.scripted_model import Replies, ScriptedModel, anything

pytestmark = pytest.mark.timeout(120)
"""Each test brings in the whole product in a process of its own: seconds of CPU, and the machine may be busy."""

CLOCK = {"command": "${PYTHON}", "args": ["-I", "-m", "mcp_server_time", "--local-timezone", "UTC"]}


@dataclass
class SetUp:
    """A sound set-up in a folder of its own, to be broken in one place."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    async def doctor(self, *options: str) -> Ran:
        return await run("doctor", *options, env=self.env)

    def copy(self, name: str, setting: str) -> Path:
        """Gives the set-up its own copy of a file of the checkout."""
        file = self.folder / Path(name).name
        file.write_text((CHECKOUT / name).read_text())
        self.env[setting] = str(file)
        return file


@pytest.fixture
def set_up(tmp_path: Path, scripted_model: ScriptedModel, unused_tcp_port: int) -> SetUp:
    scripted_model.always(anything, Replies.text("ok"))
    settings = {
        "DATA_DIR": str(tmp_path / "data"),
        "PORT": str(unused_tcp_port),
        "OPENAI_BASE_URL": scripted_model.base_url,
        "OPENAI_API_KEY": "sk-scripted",
        "DEFAULT_MODEL": "scripted",
        "MCP_SERVERS": '{"mcpServers": {}}',
    }
    return SetUp(tmp_path, surroundings(**settings))


@pytest.mark.exhaustive
@pytest.mark.slow
async def test_sound_set_up_has_nothing_to_mend(set_up: SetUp) -> None:
    set_up.env["MCP_SERVERS"] = json.dumps({"mcpServers": {"time": CLOCK}})
    ran = await set_up.doctor()
    assert (ran.code, ran.err) == (0, "")
    assert "✗" not in ran.out
    assert ran.out.endswith("All is well.\n")
    for part in ("settings", "agents", "policies", "database", "port", "openai:scripted answers", "server time"):
        assert part in ran.out


@pytest.mark.exhaustive
@pytest.mark.slow
async def test_doctor_changes_nothing(set_up: SetUp) -> None:
    await set_up.doctor()
    assert list(set_up.folder.iterdir()) == []


def _misspell_setting(broken: SetUp) -> None:
    broken.env["PORT"] = "eight thousand"


def _break_agents(broken: SetUp) -> None:
    file = broken.copy("config/agents.yaml", "AGENTS_FILE")
    file.write_text(file.read_text().replace("system_prompt:", "system_promt:", 1))


def _name_no_model(broken: SetUp) -> None:
    file = broken.copy("config/agents.yaml", "AGENTS_FILE")
    file.write_text(file.read_text().replace("- id: general\n", "- id: general\n    model: strongest\n", 1))


def _break_policies(broken: SetUp) -> None:
    broken.copy("config/tool_policies.yaml", "TOOL_POLICIES_FILE").write_text(
        "rules:\n- match: '*'\n  verdict: maybe\n"
    )


def _break_servers_file(broken: SetUp) -> None:
    broken.env["MCP_SERVERS"] = str(broken.folder / "servers.json")
    (broken.folder / "servers.json").write_text('{"mcpServers": {')


def _name_no_program(broken: SetUp) -> None:
    broken.env["MCP_SERVERS"] = json.dumps({"mcpServers": {"wiki": {"command": "no-such-program-anywhere"}}})


def _point_server_at_nobody(broken: SetUp) -> None:
    url = f"http://127.0.0.1:{broken.env['PORT']}/mcp?token=hush"
    broken.env["MCP_SERVERS"] = json.dumps({"mcpServers": {"far": {"url": url}}})


def _grant_a_boxed_server_nothing(broken: SetUp) -> None:
    (broken.folder / "wiki.py").write_text("")
    boxed = {"command": "${PYTHON}", "args": [str(broken.folder / "wiki.py")], "x-open-agent": {"sandbox": "auto"}}
    broken.env["MCP_SERVERS"] = json.dumps({"mcpServers": {"boxed": boxed}})


def _name_nobody_as_provider(broken: SetUp) -> None:
    broken.env["OPENAI_BASE_URL"] = f"http://127.0.0.1:{broken.env['PORT']}/v1"


def _lose_weights(broken: SetUp) -> None:
    broken.env |= {"MODEL_PROVIDER": "embedded", "DEFAULT_MODEL": "", "MODEL_DIR": str(broken.folder / "models")}


def _cut_weights(broken: SetUp) -> None:
    _lose_weights(broken)
    (broken.folder / "models").mkdir()
    (broken.folder / "models" / "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf").write_bytes(b"GGUF")


def _damage_database(broken: SetUp) -> None:
    (broken.folder / "data").mkdir()
    (broken.folder / "data" / "app.db").write_bytes(b"no database at all " * 100)


def _bring_newer_database(broken: SetUp) -> None:
    database = broken.folder / "data" / "app.db"
    migrate(f"sqlite:///{database}")
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999_future'")
    connection.close()


def _put_file_where_data_goes(broken: SetUp) -> None:
    (broken.folder / "data").write_text("in the way")


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.parametrize(
    ("break_it", "part", "named", "mend"),
    [
        (_misspell_setting, "settings", "PORT", "expected"),
        (_break_agents, "agents", "system_promt", "did you mean system_prompt"),
        (_name_no_model, "model", "strongest", "use provider:name or one of"),
        (_break_policies, "policies", "maybe", "expected"),
        (_break_servers_file, "servers file", "servers.json", ""),
        (_name_no_program, "server wiki", "no-such-program-anywhere", "mend its entry"),
        (_point_server_at_nobody, "server far", "cannot be reached (127.0.0.1:", "/mcp): mend its entry"),
        (_grant_a_boxed_server_nothing, "server boxed", "No such file", "it sees only what `grant` names"),
        (_name_nobody_as_provider, "model", "no answer from http://127.0.0.1", "set OPENAI_BASE_URL"),
        (_cut_weights, "model", "is not whole", "open-agent model pull"),
        (_damage_database, "database", "damaged or no database", "restore it"),
        (_bring_newer_database, "database", "newer version", "update the program"),
        (_put_file_where_data_goes, "data folder", "is not a folder", "DATA_DIR"),
    ],
)
async def test_broken_set_up_is_named_with_its_mend(
    set_up: SetUp, break_it: Callable[[SetUp], None], part: str, named: str, mend: str
) -> None:
    await asyncio.to_thread(break_it, set_up)
    ran = await set_up.doctor()
    faults = [line for line in ran.out.splitlines() if line.startswith("✗")]
    assert (ran.code, ran.err) == (1, ""), ran
    assert any(line.startswith(f"✗ {part} ") and named in line and mend in line for line in faults), ran.out


@pytest.mark.exhaustive
@pytest.mark.slow
async def test_what_is_in_order_and_yet_does_nothing_is_told(set_up: SetUp) -> None:
    set_up.env["MCP_SERVERS"] = json.dumps({"mcpServers": {"time": CLOCK, "clock": CLOCK, "watch": CLOCK}})
    rules = [Rule(match="tmie__*", verdict="deny"), Rule(match="time__*", agents=["general"], verdict="allow")]
    async with open_store(f"sqlite:///{set_up.folder / 'data' / 'app.db'}") as store:
        await store.policies.add(ToolPolicies(rules=rules), Principal("ann", "admin"), None)
    pinned = Lock().with_pin("watch", "mcp_server_time", "convert_time", build_pin({"name": "other"}, approved=True))
    write_lock(set_up.folder / "data" / "tools.lock", pinned)
    ran = await set_up.doctor()
    notes = [line.removeprefix("- ") for line in ran.out.splitlines() if line.startswith("- ")]
    assert (ran.code, ran.err) == (0, "")
    assert [line for line in notes if "2 rules that ann set (version 1) are in force" in line]
    assert [line for line in notes if line.startswith("policies") and "rules[0].match names tmie__*" in line]
    assert [line for line in notes if line.startswith("server clock") and "no rule of the policies" in line]
    assert [line for line in notes if line.startswith("server watch") and "watch__convert_time: the definition" in line]


@pytest.mark.exhaustive
@pytest.mark.slow
async def test_weights_that_the_first_start_will_fetch_are_no_fault(set_up: SetUp) -> None:
    _lose_weights(set_up)
    ran = await set_up.doctor()
    assert (ran.code, ran.err) == (0, "")
    assert "- model              the embedded model is not in" in ran.out


@pytest.mark.exhaustive
@pytest.mark.slow
async def test_key_that_the_provider_refuses_is_named(
    tmp_path: Path, scripted_model: ScriptedModel, unused_tcp_port: int
) -> None:
    scripted_model.always(anything, Replies.error(401, "bad key"))
    settings = build_settings(tmp_path, scripted_model.base_url)
    env = surroundings(DATA_DIR=str(tmp_path), PORT=str(unused_tcp_port), OPENAI_API_KEY="sk-wrong", MCP_SERVERS="{}")
    ran = await run("doctor", "--json", env=env | {"OPENAI_BASE_URL": str(settings.openai_base_url)})
    faults = [finding for finding in json.loads(ran.out) if finding["verdict"] == "fault"]
    assert [finding["part"] for finding in faults if "OPENAI_API_KEY" in finding["detail"]] == ["model"]
    assert "sk-wrong" not in ran.out


@pytest.mark.exhaustive
@pytest.mark.slow
async def test_port_that_another_program_has_is_named(set_up: SetUp) -> None:
    with bind("127.0.0.1", 0) as taken:
        taken.listen()
        set_up.env["PORT"] = address_of(taken).rpartition(":")[2]
        ran = await set_up.doctor()
    assert ran.code == 1
    assert "✗ port" in ran.out
    assert "is taken" in ran.out


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.parametrize(("key", "sign"), [(ADMIN_KEY, "✓"), ("another", "-")])
async def test_port_that_is_ours_is_no_fault(
    set_up: SetUp, scripted_model: ScriptedModel, tmp_path: Path, key: str, sign: str
) -> None:
    settings = build_settings(tmp_path / "data", scripted_model.base_url, mcp_servers='{"mcpServers": {}}')
    async with open_served(settings) as served:
        set_up.env |= {"PORT": served.url.rpartition(":")[2], "API_KEYS": key}
        ran = await set_up.doctor()
    assert ran.code == 0
    assert f"{sign} port               open-agent is running" in ran.out


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "kind"), [("/srv/team/data", "nfs4"), ("/srv/local", None), ("/home/ann", None)])
def test_network_file_systems_are_told_from_local_ones(tmp_path: Path, folder: str, kind: str | None) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/vda1 / ext4 rw 0 0\nnas:/team /srv/team nfs4 rw 0 0\n/dev/vdb1 /srv/local xfs rw 0 0\n")
    assert find_network_file_system(Path(folder), mounts) == kind
