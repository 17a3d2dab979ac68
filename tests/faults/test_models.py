"""F11 to F15: models that are busy, broken, silent, confused, or turn in circles."""

import time
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from graph.events import ModelDelta, RunEvent, RunFailed, RunResumed, StepStarted, ToolCallResult, ToolCallStarted
from nodes.specialist import MAX_CALLS_AT_ONCE
from tests.faults.conftest import Standing
from tests.faults.lab import Lab, get_run, start, whole_log
from tests.support.scripted_model import (
    Replies,
    Reply,
    ScriptedModel,
    ScriptedRequest,
    has_result,
    open_scripted_model,
    says,
)
from tests.support.waiting import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("faults"),
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(300),
]
_MOST_CALLS = 100
"""More than this in one run would be a loop that nobody ends."""


def asked(model: ScriptedModel, words: str) -> list[ScriptedRequest]:
    return [request for request in model.requests if says(words)(request)]


def answer_of(log: list[RunEvent]) -> str:
    """Returns the words that stand: those of the last attempt of their step."""
    last = {event.step_id: event.seq for event in log if isinstance(event, StepStarted)}
    deltas = [event for event in log if isinstance(event, ModelDelta) and event.channel == "answer"]
    return "".join(event.delta for event in deltas if event.seq > last[event.step_id])


@pytest.mark.exhaustive
async def test_f11_a_busy_model_is_asked_again_when_it_says(standing: Standing, client: httpx.AsyncClient) -> None:
    busy = Replies.error(429, "slow down", {"Retry-After": "1"})
    standing.model.when(says("F11"), busy, busy, Replies.text("At last."))
    began = time.monotonic()
    log = await whole_log(client, await start(client, "F11", "general"))
    assert (log[-1].type, answer_of(log)) == ("run.completed", "At last.")
    assert len(asked(standing.model, "F11")) == 3
    assert time.monotonic() - began > 2
    told = "".join(event.delta for event in log if isinstance(event, ModelDelta) and event.channel == "reasoning")
    assert [f"({number} of" in told for number in (1, 2, 3)] == [True, True, False], told


@pytest.mark.exhaustive
@pytest.mark.parametrize("status", [500, 502])
async def test_f12_a_broken_model_is_asked_again_before_it_has_spoken(
    standing: Standing, client: httpx.AsyncClient, status: int
) -> None:
    words = f"F12 {status}"
    standing.model.when(says(words), Replies.error(status), Replies.text("never").reset(), Replies.text("Whole."))
    log = await whole_log(client, await start(client, words, "general"))
    assert (log[-1].type, answer_of(log)) == ("run.completed", "Whole.")


async def test_f12_an_answer_that_broke_off_is_said_anew_or_failed_and_never_cut_in_silence(
    standing: Standing, client: httpx.AsyncClient
) -> None:
    cut = Replies.text("half ", "gone").reset(after=1)
    standing.model.when(says("F12 cut"), cut, *[Replies.text("A ", "whole one.")] * 3)
    run_id = await start(client, "F12 cut", "general")
    log = await whole_log(client, run_id)
    assert (log[-1].type, answer_of(log)) == ("run.completed", "A whole one.")
    words = [(event.attempt, event.delta) for event in log if isinstance(event, ModelDelta) and "half" in event.delta]
    assert words == [(1, "half ")], "what was seen stays in the log, void"
    assert [event.attempt for event in log if isinstance(event, RunResumed)] == [2]
    run = await get_run(client, run_id)
    assert (run["status"], run["attempt"]) == ("completed", 2)
    messages = (await client.get(f"/v1/conversations/{run['conversation_id']}/messages")).json()["data"]
    assert [message["content"] for message in messages if message["id"] == run["message_id"]] == ["A whole one."]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def impatient(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Standing]:
    """A server that waits for no model longer than a second."""
    async with open_scripted_model() as model:
        hurry = {"MODEL_FIRST_TOKEN_TIMEOUT": "1", "MODEL_IDLE_TIMEOUT": "1"}
        lab = Lab(tmp_path_factory.mktemp("impatient"), model, hurry)
        async with lab.serving() as running:
            yield Standing(lab, running)


@pytest.mark.exhaustive
@pytest.mark.parametrize("words", ["F13 before", "F13 amid"])
async def test_f13_a_model_that_falls_silent_is_left_and_the_run_says_so(impatient: Standing, words: str) -> None:
    after = 0 if words == "F13 before" else 1
    impatient.model.always(says(words), Replies.text("half ", "never").stalled(after=after))
    async with impatient.running.client() as client:
        log = await whole_log(client, await start(client, words, "general"))
    end = log[-1]
    assert isinstance(end, RunFailed)
    assert end.error.code == "model_timeout"
    await until(lambda: all(request.gone.is_set() for request in asked(impatient.model, words)))


async def test_f14_arguments_that_are_no_json_and_unknown_tools_go_back_to_the_model(
    standing: Standing, client: httpx.AsyncClient
) -> None:
    standing.model.when(
        says("F14 confused"),
        Replies.bad_arguments("lab__look"),
        Replies.tool("lab__nothing", {"key": "F14"}),
        Replies.tool("lab__look", {"key": "F14"}),
        Replies.text("Found."),
    )
    log = await whole_log(client, await start(client, "F14 confused"))
    assert (log[-1].type, answer_of(log)) == ("run.completed", "Found.")
    results = [event.status for event in log if isinstance(event, ToolCallResult)]
    assert (results[-1], set(results[:-1]) <= {"error", "denied"}) == ("ok", True)
    assert standing.lab.traces("look", "F14") == 1


@pytest.mark.exhaustive
async def test_f14_a_model_that_never_gets_its_arguments_right_is_not_asked_for_ever(
    standing: Standing, client: httpx.AsyncClient
) -> None:
    standing.model.always(says("F14 hopeless"), Replies.bad_arguments("lab__look"))
    end = (await whole_log(client, await start(client, "F14 hopeless")))[-1]
    assert isinstance(end, RunFailed)
    assert end.error.code == "model_bad_output"
    assert len(asked(standing.model, "F14 hopeless")) < 10


async def test_f14_fifty_calls_at_once_are_capped(standing: Standing, client: httpx.AsyncClient) -> None:
    calls = [("lab__look", {"key": f"F14-{number}"}) for number in range(50)]
    standing.model.when(lambda r: says("F14 fifty")(r) and not has_result()(r), Replies.tools(*calls))
    standing.model.always(says("F14 fifty"), Replies.text("Enough."))
    log = await whole_log(client, await start(client, "F14 fifty"))
    assert (log[-1].type, answer_of(log)) == ("run.completed", "Enough.")
    made = [standing.lab.traces("look", f"F14-{number}") for number in range(50)]
    assert made == [1] * MAX_CALLS_AT_ONCE + [0] * (50 - MAX_CALLS_AT_ONCE)
    assert len({event.call_id for event in log if isinstance(event, ToolCallStarted)}) == MAX_CALLS_AT_ONCE
    told = asked(standing.model, "F14 fifty")[-1].tool_results
    assert (len(told), sum("was not made" in each for each in told)) == (50, 50 - MAX_CALLS_AT_ONCE)


@pytest.mark.exhaustive
async def test_f15_a_model_that_turns_in_circles_ends_at_a_named_limit(
    standing: Standing, client: httpx.AsyncClient
) -> None:
    def again(request: ScriptedRequest) -> Reply:
        return Replies.tool("lab__look", {"key": f"F15-{len(request.tool_results)}"})

    standing.model.when(says("F15"), again)
    log = await whole_log(client, await start(client, "F15"))
    end = log[-1]
    assert isinstance(end, RunFailed)
    assert end.error.code == "budget_exceeded"
    assert len(asked(standing.model, "F15")) < _MOST_CALLS
