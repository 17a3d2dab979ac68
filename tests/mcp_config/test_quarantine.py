"""Definitions held fast: what is taken, what is put aside, and what a restart knows of it."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import JsonValue

from config.errors import ConfigError
from config.settings import Settings
from mcp_config.audit import AuditEntry, Unaudited
from mcp_config.definitions.definition import Definition, build_listing
from mcp_config.definitions.pins import Lock, build_pin, load_lock, write_lock
from mcp_config.definitions.quarantine import Quarantine, open_quarantine
from mcp_config.entries.server_config import ServerConfig
from tests.mcp_config.rig import chaos
from tests.support.waiting import until

SERVER = chaos("well")


def define(**more: JsonValue) -> Definition:
    entry: JsonValue = {"name": "act", "description": "Acts.", "inputSchema": {"type": "object"}, **more}
    return build_listing([entry]).tools[0]


def admits(quarantine: Quarantine, definition: Definition, server: ServerConfig = SERVER) -> bool:
    return quarantine.admits(f"{server.name}__{definition.name}", server, definition)


@pytest.mark.parametrize(
    "change",
    [
        {"description": "Acts\u200b."},
        {"inputSchema": {"type": "object", "properties": {"to": {}}}},
        {"outputSchema": {"type": "object"}},
        {"annotations": {"readOnlyHint": True}},
    ],
)
def test_any_change_puts_the_tool_aside_and_the_first_definition_still_passes(change: dict[str, JsonValue]) -> None:
    quarantine = Quarantine()
    assert admits(quarantine, define())
    assert not admits(quarantine, define(**change))
    assert [(one.kind, one.before) for one in quarantine.changes()] == [("changed", define().source)]
    assert admits(quarantine, define())


def test_a_tool_is_put_aside_also_where_another_server_shows_the_same_under_its_name() -> None:
    other = chaos("other")
    lock = Lock().with_pin(SERVER.name, SERVER.program, "act", build_pin({"name": "act"}, approved=False))
    quarantine = Quarantine(lock)
    assert quarantine.admits("well__act", other, define())  # it was there first
    assert not admits(quarantine, define())
    change = quarantine.find("well__act")
    assert change is not None
    assert (change.server, change.kind) == ("well", "changed")


def test_the_order_of_keys_is_no_change() -> None:
    quarantine = Quarantine()
    assert admits(quarantine, define(inputSchema={"type": "object", "properties": {"a": {}, "b": {}}}))
    assert admits(quarantine, define(inputSchema={"properties": {"b": {}, "a": {}}, "type": "object"}))


async def test_what_was_seen_and_approved_is_known_after_a_restart(tmp_path: Path) -> None:
    nowhere, own = tmp_path / "none.lock", tmp_path / "tools.lock"
    async with open_quarantine(nowhere, own, Unaudited()) as first:
        assert admits(first, define())
        await until(own.exists)
    async with open_quarantine(nowhere, own, Unaudited()) as second:
        assert not admits(second, define(description="Else."))
        await second.approve("well__act", None, "ann", "admin")
    async with open_quarantine(nowhere, own, Unaudited()) as third:
        assert admits(third, define(description="Else."))
        assert third.changes() == []
        assert not admits(third, define())


async def test_approvals_at_the_same_time_are_all_written_down(tmp_path: Path) -> None:
    nowhere, own = tmp_path / "none.lock", tmp_path / "tools.lock"
    names = [f"act{n}" for n in range(20)]
    async with open_quarantine(nowhere, own, Unaudited()) as quarantine:
        for name in names:
            admits(quarantine, define(name=name))
        await asyncio.gather(*(quarantine.approve(f"well__{name}", None, "ann", "admin") for name in names))
    tools = load_lock(own).servers["well"].tools
    assert sorted(name for name, pin in tools.items() if pin.approved) == sorted(names)


async def test_a_put_aside_tool_is_in_the_audit_once() -> None:
    entries: list[AuditEntry] = []

    class Notes:
        async def record(self, entry: AuditEntry) -> None:
            entries.append(entry)

    quarantine = Quarantine(audit=Notes())
    keeper = asyncio.create_task(quarantine.keep())
    for description in ("One.", "Two.", "One.", "Two."):
        admits(quarantine, define(description=description))
    await until(lambda: bool(entries))
    keeper.cancel()
    assert [(entry.action, entry.target) for entry in entries] == [("tool.quarantine", "well__act")]


def test_pins_of_one_program_say_nothing_of_another_under_its_name() -> None:
    pinned = Lock().with_pin("well", SERVER.program, "act", build_pin(define().source, approved=True))
    other = replace(SERVER, command=("/usr/bin/other", "serve"))
    assert admits(Quarantine(pinned), define(description="Else."), other)
    assert not admits(Quarantine(pinned), define(description="Else."))


@pytest.mark.parametrize(
    ("server", "program"),
    [
        (
            ServerConfig("a", "stdio", ("/venv/bin/python", "-I", "-m", "mcp_server_git", "--repository", "/x")),
            "mcp_server_git",
        ),
        (ServerConfig("a", "stdio", ("npx", "-y", "@scope/server@1.2", "/data")), "npx @scope/server@1.2"),
        (ServerConfig("a", "stdio", ("/opt/wiki/bin/wiki", "/opt/wiki/pages")), "wiki pages"),
        (ServerConfig("a", "http", url="https://u:p@example.com/mcp?key=s"), "example.com/mcp"),
        (ServerConfig("a", "http", url="http://127.0.0.1:90/mcp"), "127.0.0.1:90/mcp"),
    ],
)
def test_a_program_has_the_same_name_on_every_machine_and_no_secret_in_it(server: ServerConfig, program: str) -> None:
    assert server.program == program


def test_a_server_with_ever_new_tools_is_not_remembered_without_end() -> None:
    quarantine, one = Quarantine(), define()
    many = (replace(one, name=f"t{number}", source={**one.source, "name": f"t{number}"}) for number in range(1010))
    admitted = [admits(quarantine, tool) for tool in many]
    assert (sum(admitted), admitted[-1]) == (1000, False)


@pytest.mark.parametrize("text", ["{", '{"servers": 1}'])
def test_a_lock_that_cannot_be_read_approves_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "tools.lock").write_text(text)
    with pytest.raises(ConfigError, match="cannot be used"):
        load_lock(tmp_path / "tools.lock")


def test_a_definition_under_the_hash_of_another_is_refused(tmp_path: Path) -> None:
    pin = build_pin(define().source, approved=True).model_copy(update={"definition": define(description="E.").source})
    write_lock(tmp_path / "tools.lock", Lock().with_pin("well", "p", "act", pin))
    with pytest.raises(ConfigError, match="the hash of well act is not that of its definition"):
        load_lock(tmp_path / "tools.lock")


def test_the_shipped_lock_can_be_read_and_is_as_it_is_written(tmp_path: Path) -> None:
    shipped = Path(Settings.model_fields["tools_lock"].default)
    write_lock(tmp_path / "tools.lock", load_lock(shipped))
    assert (tmp_path / "tools.lock").read_text() == shipped.read_text()
