"""The two clocks of a call: all of its time, and how long its server says nothing. The error names which one it was."""

import sys
import time
from dataclasses import dataclass, field, replace

import pytest

from mcp_config.tools import Answer, Question, ToolCall, ToolResult
from tests.mcp_config.rig import CHAOS, chaos, hurried, open_rig
from tests.mcp_config.test_hostile_http import web
from tests.support.chaos_http import ChaosHttp, open_chaos_http
from tests.support.waiting import until

pytestmark = pytest.mark.slow
"""Each test starts processes of its own."""

TOO_LONG = "no answer within 1 seconds (its timeout)"
TOO_QUIET = "no answer and no progress for 0.4 seconds (its idle_timeout)"


async def act(mode: str, seconds: float, idle: float | None) -> ToolResult:
    """Returns what became of the call, which took no longer than it may; the server beside it still works."""
    policies = hurried("sick__act", seconds, idle)
    async with open_rig(chaos("sick", mode), chaos("well"), policies=policies) as rig:
        began = time.monotonic()
        result = await rig.call("sick__act")
        assert time.monotonic() - began < seconds + 1
        assert (await rig.call("well__echo", text="still here")).content == "still here"
        return result


async def test_a_call_that_reports_its_progress_may_be_silent_for_less_than_it_takes() -> None:
    assert (await act("progresses", 5, 0.4)).content == "done"


async def test_a_server_that_stops_reporting_is_not_waited_for() -> None:
    result = await act("stops-progressing", 5, 0.4)
    assert (result.status, result.error_code) == ("timeout", "timeout")
    assert TOO_QUIET in result.content


@pytest.mark.parametrize("idle", [0.4, None, 60])
async def test_progress_never_gives_a_call_more_than_its_time(idle: float | None) -> None:
    result = await act("progresses-for-ever", 1, idle)
    assert result.error_code == "timeout"
    assert TOO_LONG in result.content


async def test_silence_from_the_beginning_counts_too() -> None:
    assert TOO_QUIET in (await act("silent", 5, 0.4)).content


async def test_a_flood_of_reports_costs_little() -> None:
    began = time.process_time()
    assert (await act("progress-flood", 5, 0.4)).content == "done"
    assert time.process_time() - began < 4


@dataclass
class Slow:
    """A person who thinks for longer than the call may take. Satisfies `mcp_config.tools.People`."""

    seconds: float
    asked: list[Question] = field(default_factory=list)

    async def answer(self, call: ToolCall, question: Question) -> Answer:
        self.asked.append(question)
        began = time.monotonic()
        await until(lambda: time.monotonic() - began > self.seconds)
        return Answer("edit", {"username": "ada", "email": "a@b"})


async def test_neither_clock_runs_while_a_person_is_asked() -> None:
    command = (sys.executable, "-I", "-S", str(CHAOS.parent / "complete_server.py"))
    asks, person = replace(chaos("asks"), command=command), Slow(1.2)
    async with open_rig(asks, policies=hurried("asks__test_elicitation", 1, 0.5), people=person) as rig:
        result = await rig.call("asks__test_elicitation", message="who\u200b?")
        assert '"username": "ada"' in result.content
        assert [question.message for question in person.asked] == ["who?"]


@pytest.mark.parametrize(("reports", "idle", "words"), [(2, 0.4, TOO_QUIET), (100, 0.4, TOO_LONG)])
async def test_both_clocks_run_over_http(reports: int, idle: float, words: str) -> None:
    async with (
        open_chaos_http(ChaosHttp(reports=reports)) as server,
        open_rig(web(server.port), chaos("well"), policies=hurried("web__act", 1, idle)) as rig,
    ):
        result = await rig.call("web__act")
        assert (result.error_code, words in result.content) == ("timeout", True), result.content
        assert (await rig.call("well__echo", text="still here")).content == "still here"
        assert (await rig.call("web__echo")).content == "echoed"
