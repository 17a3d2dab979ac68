"""Which sandbox a server gets, what its entry grants it, and what people are told. Escapes: `tests/security`."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from config.policies import ToolSettings
from mcp_config.entries.confinement import confine_server
from mcp_config.entries.server_config import ServerConfig
from mcp_config.entries.servers_file import load_servers
from mcp_config.sandbox.grants import MEBIBYTE, Grants, Kind, Sandbox
from mcp_config.sandbox.probe import Available
from tests.mcp_config.rig import ALLOW_ALL, chaos, open_rig

BOTH, LANDLOCK, NEITHER = Available("/usr/bin/bwrap", 7), Available(None, 7), Available(None, 0)


def _server(wanted: Sandbox, *, dangerous: bool = False) -> ServerConfig:
    return ServerConfig("shell", "stdio", ("sh",), sandbox=wanted, dangerous=dangerous)


@pytest.mark.parametrize(
    ("wanted", "available", "got"),
    [
        ("auto", BOTH, "bwrap"),
        ("auto", LANDLOCK, "landlock"),
        ("auto", NEITHER, "none"),
        ("bwrap", BOTH, "bwrap"),
        ("landlock", BOTH, "landlock"),
        ("none", BOTH, "none"),
    ],
)
def test_server_gets_the_best_sandbox_that_works_or_the_one_it_asks_for(
    wanted: Sandbox, available: Available, got: Kind
) -> None:
    confined = confine_server(_server(wanted), available)
    assert (confined.confinement, confined.obstacle) == (got, "")


@pytest.mark.parametrize(
    ("server", "available", "obstacle"),
    [
        (_server("bwrap"), LANDLOCK, "the sandbox it asks for, bwrap, does not work here"),
        (_server("landlock"), NEITHER, "the sandbox it asks for, landlock, does not work here"),
        (_server("auto", dangerous=True), NEITHER, "it is dangerous and no sandbox works here"),
    ],
)
def test_server_is_never_started_with_less_than_it_asks_for(
    server: ServerConfig, available: Available, obstacle: str
) -> None:
    assert confine_server(server, available).obstacle.startswith(obstacle)


def _read(**ours: object) -> ServerConfig:
    entry = {"command": "x", "x-open-agent": ours}
    (server,) = load_servers(json.dumps({"mcpServers": {"a": entry}}), {"EMPTY": "", "TWO": "/one:/two", "HOME": "/h"})
    return server


def test_dangerous_server_is_sandboxed_unless_it_is_said_aloud() -> None:
    assert (_read(dangerous=True).sandbox, _read(dangerous=True).dangerous) == ("auto", True)
    allowed = _read(dangerous=True, allow_unsandboxed=True)
    assert (allowed.sandbox, allowed.dangerous) == ("none", False)


def test_grants_are_what_the_entry_names_and_an_empty_variable_grants_nothing() -> None:
    granted = {"read": ["${TWO}", "${EMPTY}"], "network": "${EMPTY}", "memory_mb": 128, "processes": 8}
    assert _read(sandbox="auto", grant=granted).grants == Grants(
        read=("/one", "/two"), memory=128 * MEBIBYTE, processes=8
    )
    assert _read(sandbox="auto", grant={"network": "${TWO}"}).grants.network


def test_home_of_the_person_is_not_told_to_a_sandboxed_server() -> None:
    assert "HOME" in _read().env
    assert "HOME" not in _read(sandbox="auto").env


@pytest.mark.parametrize("kind", ["bwrap", "landlock"])
async def test_sandboxed_server_serves_and_health_says_what_is_in_force(kind: Kind) -> None:
    well = chaos("well")
    boxed = replace(well, sandbox=kind, grants=Grants(read=(well.command[3],)))
    policies = ALLOW_ALL.model_copy(update={"tools": {"well__*": ToolSettings(sandbox=kind)}})
    async with open_rig(boxed, policies=policies) as rig:
        assert (await rig.call("well__echo", text="inside")).content == "inside"
        assert rig.registry.health()["well"].sandbox == kind


@pytest.mark.parametrize("kind", ["bwrap", "landlock"])
async def test_what_is_hidden_stays_unseen_inside_a_granted_folder(kind: Kind, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("open.txt", ".env", "data/app.db"):
        (tmp_path / name).write_text(name)
    prisoner = Path(__file__).parent.parent / "support" / "prisoner.py"
    hidden = (str(tmp_path / ".env"), str(tmp_path / "data"))
    grants = Grants(read=(str(prisoner), str(tmp_path)), hide=hidden)
    server = ServerConfig(
        "in", "stdio", (sys.executable, "-I", "-S", str(prisoner)), prefix="in", sandbox=kind, grants=grants
    )
    async with open_rig(server) as rig:
        said = [(await rig.call("in__run", code=f"print(open({str(tmp_path / name)!r}).read())")).content for name in
                ("open.txt", ".env", "data/app.db")]  # fmt: skip
    assert said[0].strip() == "open.txt"
    assert ".env" not in said[1] or "Error" in said[1]
    assert "Error" in said[2]
