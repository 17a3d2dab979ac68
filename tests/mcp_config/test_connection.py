"""One server over its life: what it lists, what changes, and what happens to calls nobody waits for."""

import asyncio
import json
import os
import signal
import time
from dataclasses import replace

import pytest

from mcp_config.entries.server_config import ServerConfig
from mcp_config.registry import open_registry
from mcp_config.tools import Caller, ToolCall
from mcp_config.upstream.warden_process import MARK
from tests.mcp_config.rig import ALLOW_ALL, Memory, Rig, chaos, find_groups, open_rig
from tests.support.waiting import PATIENCE, until

pytestmark = pytest.mark.slow
"""Each test starts processes of its own."""


async def calls_seen(rig: Rig, server: str) -> list[str]:
    result = await rig.call(f"{server}__count")
    assert isinstance(result.structured, dict)
    seen = result.structured["calls"]
    assert isinstance(seen, list)
    return [str(entry) for entry in seen]


async def seen_entry(rig: Rig, server: str, beginning: str) -> str:
    """Asks the server until it has seen what begins so."""
    async with asyncio.timeout(PATIENCE):
        while True:
            for entry in await calls_seen(rig, server):
                if entry.startswith(beginning):
                    return entry


async def test_one_session_serves_many_calls_at_once() -> None:
    before = find_groups("healthy")  # other tests of this process may have theirs
    async with open_rig(chaos("well")) as rig:
        results = await asyncio.gather(*(rig.call("well__echo", text=str(n)) for n in range(50)))
        assert [result.content for result in results] == [str(n) for n in range(50)]
        assert len(find_groups("healthy") - before) == 1


async def test_bad_definitions_are_put_aside_one_by_one_and_health_says_which() -> None:
    async with open_rig(chaos("odd", "bad-tools")) as rig:
        names = [spec.original_name for spec in rig.registry.all()]
        assert sorted(names) == sorted(["echo", "count", "act", "bad name!", "d\u200bep"])
        health = rig.health("odd")
        assert (health.state, health.tools) == ("degraded", 5)
        for words in ("no_schema: has no `inputSchema`", "tool 6: has no usable name", "echo: is listed twice"):
            assert words in health.detail
        assert "6 of its tools cannot be used" in health.detail


async def test_names_are_made_safe_and_calls_go_to_the_original_name() -> None:
    async with open_rig(chaos("odd", "bad-tools")) as rig:
        renamed = next(spec for spec in rig.registry.all() if spec.original_name == "bad name!")
        assert renamed.name.startswith("odd__bad_name__")
        assert (await rig.call(renamed.name)).content == "bad name! called"
        hidden = next(spec for spec in rig.registry.all() if spec.original_name == "d\u200bep")
        assert hidden.description == "Zerowidth text."


@pytest.mark.parametrize(("mode", "tools"), [("pages", 500), ("same-page", 3)])
async def test_endless_pages_end_at_the_cap(mode: str, tools: int) -> None:
    async with open_rig(chaos("long", mode)) as rig:
        assert rig.health("long").tools == tools


async def test_changed_list_is_read_again() -> None:
    async with open_rig(chaos("live", "list-changed")) as rig:
        assert "live__fresh" not in [spec.name for spec in rig.registry.all()]
        await rig.call("live__count")
        await until(lambda: "live__fresh" in [spec.name for spec in rig.registry.all()])
        assert (await rig.call("live__fresh")).content == "fresh called"


async def test_cancelled_call_is_cancelled_upstream_and_the_session_is_kept() -> None:
    async with open_rig(chaos("quiet", "silent")) as rig:
        groups = find_groups("silent")
        call = asyncio.ensure_future(rig.call("quiet__act"))
        await until(lambda: rig.ledger.entries == ["started quiet__act"])
        act = await seen_entry(rig, "quiet", "act ")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert "cancelled quiet__act" in rig.ledger.entries
        await seen_entry(rig, "quiet", act.replace("act", "cancelled"))
        assert find_groups("silent") == groups


async def test_cancelled_call_on_a_hung_server_ends_its_process() -> None:
    async with open_rig(chaos("sick", "hang")) as rig:
        groups = find_groups("hang")
        call = asyncio.ensure_future(rig.call("sick__act"))
        await until(lambda: rig.ledger.entries == ["started sick__act"])
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        began = time.monotonic()
        # who calls meanwhile is not sent to it, and answered by the next one
        assert (await rig.call("sick__echo", text="answered")).content == "answered"
        assert time.monotonic() - began < PATIENCE
        assert find_groups("hang") != groups
        assert (await rig.call("sick__echo", text="x")).content == "x"


async def test_call_while_a_server_is_started_again_waits_for_it() -> None:
    async with open_rig(chaos("late")) as rig:
        for group in find_groups("healthy"):
            os.killpg(group, signal.SIGKILL)
        assert (await rig.until("late", "degraded")).detail == "was ended by SIGKILL"
        assert (await rig.call("late__echo", text="served")).content == "served"


async def test_child_gets_its_own_environment_and_folder_and_nothing_of_ours(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("CANARY_TOKEN", "canary-value")
    folder = tmp_path_factory.mktemp("cwd")
    server = replace(chaos("env", "env"), env={"ONLY": "this"}, cwd=str(folder))
    async with open_rig(server) as rig:
        seen = json.loads((await rig.call("env__act")).content)
        assert {key: seen[key] for key in seen if key not in ("LC_CTYPE", MARK)} == {"ONLY": "this", "cwd": str(folder)}


async def test_obstacle_keeps_a_server_from_starting_and_is_its_health() -> None:
    blocked = replace(chaos("blocked"), obstacle="it needs /x, which is not there")
    async with open_rig(blocked, chaos("well")) as rig:
        assert rig.health("blocked").state == "off"
        assert rig.health("blocked").detail == "not started: it needs /x, which is not there"
        assert (await rig.call("well__echo", text="y")).status == "ok"


async def test_secrets_of_a_server_are_not_seen_when_it_dies_with_them() -> None:
    server = replace(chaos("leaky", "crash-start"), secrets=frozenset({"my configuration"}))
    async with open_rig(server) as rig:
        assert (await rig.until("leaky", "failed")).detail == "exited with code 1: cannot find [secret]"


async def test_warming_and_ready_speak_of_the_servers_the_globs_need() -> None:
    slow: ServerConfig = replace(chaos("slow", "noinit"), start_timeout=30)
    async with open_rig(slow, chaos("well"), start=0.3) as rig:
        await rig.until("well", "ready")
        assert rig.registry.warming(["slow__*"]) == ["slow"]
        assert rig.registry.warming(["*"]) == ["slow"]
        assert rig.registry.warming(["well__echo", "other__*"]) == []
        assert [spec.name for spec in rig.registry.specs(["well__e*"])] == ["well__echo"]


async def test_call_during_the_first_start_waits_for_it() -> None:
    async with open_registry([chaos("well")], ALLOW_ALL, lambda _: None) as registry:
        assert registry.health()["well"].state == "starting"
        call = ToolCall("call_1", "well__echo", {"text": "early"}, Caller("root", None, None, "admin"))
        assert (await registry.call(call, Memory())).content == "early"
