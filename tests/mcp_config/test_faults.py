"""F06 to F10: whatever one server does, its call ends in time, the healthy one works, and no process is left.

Where each way of going wrong is shown: crashes, hangs, noise, floods, no start and orphans here; lists, names,
cancelling and environment in `test_connection.py`; kinds of results in `test_path.py` and `test_keeping.py`; HTTP in
`test_http_servers.py` and `test_hostile_http.py`; definitions in `test_quarantine.py` and `tests/security/test_a16_…`;
arguments and schemas in `test_schema.py`, `tests/security/test_a08_…` and `test_a09_…`.
"""

import asyncio
import json
import os
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.mcp_config.rig import Rig, chaos, find_groups, hurried, members, open_rig
from tests.support.waiting import until

pytestmark = pytest.mark.slow
"""Each test starts processes of its own."""


async def assert_healthy(rig: Rig) -> None:
    assert (await rig.call("well__echo", text="still here")).content == "still here"


async def test_f06_crash_in_a_call_is_an_error_within_a_second_and_the_server_comes_back(tmp_path: Path) -> None:
    log = tmp_path / "acted"
    async with open_rig(chaos("sick", "crash", str(log)), chaos("well")) as rig:
        began = time.monotonic()
        result = await rig.call("sick__act")
        assert time.monotonic() - began < 1
        assert (result.status, result.error_code) == ("error", "server_lost")
        assert "exited with code 3" in result.content
        assert (await rig.call("sick__echo", text="back")).content == "back"
        await assert_healthy(rig)
        assert log.read_text() == "acted\n"
        assert rig.ledger.entries[:2] == ["started sick__act", "error sick__act"]


async def test_f07_hanging_call_times_out_and_its_whole_process_group_is_gone() -> None:
    async with open_rig(chaos("sick", "hang"), chaos("well"), policies=hurried("sick__act", 0.5)) as rig:
        groups = find_groups("hang")
        assert groups
        began = time.monotonic()
        result = await rig.call("sick__act")
        assert 0.5 <= time.monotonic() - began < 1.5
        assert (result.status, result.error_code) == ("timeout", "timeout")
        await assert_healthy(rig)
        await until(lambda: not members(groups))
        assert (await rig.call("sick__echo", text="again")).content == "again"


async def test_server_that_swallows_a_call_is_started_again_after_the_deadline() -> None:
    async with open_rig(chaos("sick", "silent"), policies=hurried("sick__act", 0.3)) as rig:
        groups = find_groups("silent")
        assert (await rig.call("sick__act")).status == "timeout"
        await until(lambda: not members(groups))
        await rig.until("sick", "ready")


@pytest.mark.parametrize("mode", ["garbage", "wrongid"])
async def test_f08_noise_instead_of_an_answer_times_out_and_only_that_server_is_reset(mode: str) -> None:
    async with open_rig(chaos("sick", mode), chaos("well"), policies=hurried("sick__act", 0.5)) as rig:
        well = find_groups("healthy")
        assert (await rig.call("sick__act")).status == "timeout"
        await assert_healthy(rig)
        await rig.until("sick", "ready")
        assert (await rig.call("sick__echo", text="again")).content == "again"
        assert find_groups("healthy") == well


async def test_f08_bytes_that_are_no_utf8_are_skipped_and_the_call_is_answered() -> None:
    async with open_rig(chaos("sick", "binary"), chaos("well")) as rig:
        assert (await rig.call("sick__act")).content == "after the bytes"
        await assert_healthy(rig)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["huge", "endless"])
async def test_f09_flood_fails_as_too_large_and_memory_stays_flat(mode: str) -> None:
    async with open_rig(chaos("sick", mode), chaos("well")) as rig:
        groups = find_groups(mode)
        before, seen = psutil.Process().memory_info().rss, [0]
        call = asyncio.ensure_future(rig.call("sick__act"))

        def over() -> bool:
            seen.append(psutil.Process().memory_info().rss)
            return call.done()

        await until(over)
        assert (call.result().status, call.result().error_code) == ("error", "result_too_large")
        assert max(seen) - before < 100_000_000
        await assert_healthy(rig)
        await until(lambda: not members(groups))
        assert (await rig.call("sick__echo", text="again")).content == "again"


async def test_f09_more_values_than_can_be_read_in_a_moment_fail_as_too_large() -> None:
    async with open_rig(chaos("sick", "many", "100000")) as rig:
        result = await rig.call("sick__act")
        assert (result.status, result.error_code) == ("error", "result_too_large")
        assert "holds more than 100000 values; ask for less" in result.content
        assert (await rig.call("sick__echo", text="again")).content == "again"


async def test_f10_server_that_never_initializes_is_named_and_its_tools_are_absent() -> None:
    sick = replace(chaos("sick", "noinit"), start_timeout=0.5)
    async with open_rig(chaos("well"), sick, chaos("other")) as rig:
        health = await rig.until("sick", "failed")
        assert health.detail == "did not start within 0.5 seconds"
        assert {spec.server for spec in rig.registry.all()} == {"well", "other"}
        await assert_healthy(rig)
        result = await rig.call("sick__echo", text="x")
        assert (result.status, result.error_code) == ("error", "server_unavailable")
        assert "did not start within 0.5 seconds" in result.content
        assert not rig.ledger.entries[2:]


async def test_start_that_came_too_late_is_given_more_time_the_next_time() -> None:
    async with open_rig(replace(chaos("sick", "noinit"), start_timeout=0.05)) as rig:
        await until(lambda: rig.health("sick").detail == "did not start within 0.4 seconds")


@pytest.mark.parametrize(
    ("mode", "detail"),
    [
        ("crash-start", "exited with code 1: cannot find my configuration"),
        ("bad-init", "does not answer as an MCP server should"),
        ("old-version", "Unsupported protocol version from the server: 1999-01-01"),
        ("nolist", "did not start within 1 seconds"),
        ("garbage-flood", "prints lines that are no MCP messages"),
    ],
)
async def test_bad_start_is_told_in_one_plain_line(mode: str, detail: str) -> None:
    async with open_rig(replace(chaos("sick", mode), start_timeout=1), chaos("well")) as rig:
        assert (await rig.until("sick", "failed")).detail == detail
        await assert_healthy(rig)
    assert not find_groups(mode)


async def test_missing_program_is_told_in_one_plain_line() -> None:
    sick = replace(chaos("sick"), command=("/nowhere/no-such-program",))
    async with open_rig(sick, chaos("well")) as rig:
        assert (await rig.until("sick", "failed")).detail == "cannot be started: /nowhere/no-such-program is not there"
        await assert_healthy(rig)


@pytest.mark.parametrize("mode", ["banner", "stderr"])
async def test_talkative_start_does_no_harm(mode: str) -> None:
    async with open_rig(chaos("loud", mode)) as rig:
        assert (await rig.call("loud__echo", text="heard")).content == "heard"


async def test_stop_leaves_no_process_within_ten_seconds() -> None:
    modes = ("stubborn", "grandchild", "hang")
    async with open_rig(*(chaos(mode, mode) for mode in modes)) as rig:
        groups = {group for mode in modes for group in find_groups(mode)}
        assert len(groups) == len(modes)
        hanging = [asyncio.ensure_future(rig.call(f"{mode}__act")) for mode in modes]
        await until(lambda: rig.ledger.entries == [f"started {mode}__act" for mode in modes])
        began = time.monotonic()
    assert time.monotonic() - began < 10
    assert [(await call).error_code for call in hanging] == ["server_lost"] * len(modes)
    await until(lambda: not members(groups))


async def test_a_process_in_a_session_of_its_own_ends_with_the_server_that_started_it() -> None:
    async with open_rig(chaos("sick", "runaway")) as rig:
        await rig.until("sick", "ready")
        ours = psutil.Process().children(recursive=True)
        [stray] = next(one for one in ours if "runaway" in one.cmdline()).children()
        assert os.getsid(stray.pid) == stray.pid
    await until(lambda: not members({stray.pid}))


async def test_crash_does_not_repeat_a_call_though_it_is_repeatable(tmp_path: Path) -> None:
    log = tmp_path / "acted"
    sick = replace(chaos("sick", "crash", str(log)), repeatable=("*",))
    async with open_rig(sick) as rig:
        assert (await rig.call("sick__act")).status == "error"
        assert (await rig.call("sick__echo", text="up")).status == "ok"
    assert log.read_text() == "acted\n"


async def test_ten_calls_after_a_crash_start_the_server_once() -> None:
    async with open_rig(chaos("sick", "crash")) as rig:
        await rig.call("sick__act")
        results = await asyncio.gather(*(rig.call("sick__echo", text=str(n)) for n in range(10)))
        assert [result.content for result in results] == [str(n) for n in range(10)]
        assert len(find_groups("crash")) == 1


async def test_flood_of_notices_does_no_harm() -> None:
    async with open_rig(chaos("loud", "notices"), chaos("well")) as rig:
        assert (await rig.call("loud__act")).content == "done"
        await assert_healthy(rig)


async def test_server_that_asks_for_roots_is_declined_with_an_error_and_goes_on() -> None:
    async with open_rig(chaos("curious", "asks", "roots/list"), chaos("well")) as rig:
        answer = json.loads((await rig.call("curious__act")).content)
        assert (answer["id"], answer["error"]["code"]) == ("ask", -32600)
        assert answer["error"]["message"] == "Roots are not supported here."
        assert (await rig.call("curious__echo", text="again")).content == "again"
        await assert_healthy(rig)


async def test_structured_result_against_the_tools_own_schema_is_text_with_a_warning() -> None:
    async with open_rig(chaos("odd", "broken-promise"), chaos("well")) as rig:
        result = await rig.call("odd__act")
        assert result.status == "ok"
        assert result.content.splitlines() == [
            "[This result does not have the form that the tool promises.]",
            "five degrees",
        ]
        await assert_healthy(rig)
