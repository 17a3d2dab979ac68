"""A second message while the first is being answered: whatever it does to that run, the conversation goes on."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

import pytest

from graph.events import ToolCallResult
from mcp_config.tools import ToolCall, ToolResult
from server.errors import Conflict
from server.resources.conversations import NewMessage
from server.resources.pages import PageQuery
from server.resources.runs import Multitask, NewRun, Run
from tests.engine.conftest import House
from tests.engine.talk import OWNER, ask, final, read_to_end, read_until
from tests.engine.test_approvals import answer, waiting
from tests.graph.laws import check_laws
from tests.graph.workbench import Tool
from tests.support.scripted_model import Replies, Reply, ScriptedModel, ScriptedRequest, says

EARLY: Final = ("at once", "run.started", "step.started")
IN_CALLS: Final = ("tool.call.started", "tool.call.result")
LATE: Final = ("model.delta", "run.completed")
WAITING: Final = "approval.requested"


@dataclass(frozen=True)
class Case:
    """A first run that is met at a moment, with so many tool calls at once. Until `go_on` it goes no further."""

    moment: str
    calls: int
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def question(self) -> str:
        return f"first: {self.moment}, {self.calls}"

    def reply(self, request: ScriptedRequest) -> Reply:
        if self.calls and not request.tool_results:
            tool = "time__set" if self.moment == WAITING else "time__now"
            asked = Replies.tools(*((tool, {"q": f"{self.question}/{n}"}) for n in range(self.calls)))
            return asked.held(self.go_on) if self.moment in EARLY else asked
        said = Replies.text("half", " whole")
        return said if self.moment == "run.completed" else said.held(self.go_on, after=int(self.moment not in EARLY))

    async def act(self, number: int) -> None:
        if self.moment == "tool.call.started" or (self.moment == "tool.call.result" and number > 0):
            await self.go_on.wait()


class Stage:
    """A house with all cases on it."""

    def __init__(self, house: House, model: ScriptedModel) -> None:
        several = [Case(moment, 3) for moment in (*EARLY, *IN_CALLS, *LATE, WAITING)]
        fewer = [Case(WAITING, 1), *(Case(moment, 0) for moment in (*EARLY, *LATE))]
        self.cases = {case.question: case for case in [*several, *fewer]}
        self.house, self.acts = house, list[str]()
        house.tools.tools = {"time__now": Tool(self._act), "time__set": Tool(self._act, asks=True)}
        model.when(says("next"), lambda _: Replies.text("fine"))
        model.when(says("first"), lambda request: self.cases[request.last_user].reply(request))

    async def _act(self, call: ToolCall) -> ToolResult:
        question, _, number = str(call.arguments["q"]).partition("/")
        self.acts.append(str(call.arguments["q"]))
        await self.cases[question].act(int(number))
        return ToolResult("ok", "12:00")

    async def play(self, case: Case, multitask: Multitask) -> None:
        first = await ask(self.house, case.question, agent_id="clock")
        if case.moment == WAITING:
            await waiting(self.house, first, case.calls)
        elif case.moment != "at once":
            await read_until(self.house, first.id, case.moment)
        second = await self._follow(first, multitask, case)
        if case.moment == WAITING:
            await self._close_questions(first, second, multitask)
        assert (await final(self.house, second)).status == "completed"
        log = await read_to_end(self.house, first.id)
        check_laws(log)
        undone = multitask != "enqueue" and case.moment != "run.completed"
        assert log[-1].type == ("run.cancelled" if undone else "run.completed")
        assert {event.status for event in log if isinstance(event, ToolCallResult)} <= {"ok", "cancelled"}
        assert await self._branch(second) == [
            *([] if undone and multitask == "rollback" else [case.question]),
            *([] if undone else ["half whole"]),
            *["next", "fine"],
        ]

    async def _close_questions(self, first: Run, second: Run, multitask: Multitask) -> None:
        """Whoever waits behind a question goes on when it is answered; who displaced it has closed it."""
        questions = (await self.house.store.approvals.page(OWNER, PageQuery(), run_id=first.id)).data
        if multitask == "enqueue":
            assert (await self.house.store.runs.get(OWNER, second.id)).status == "queued"
            for question in questions:
                await answer(self.house, question)
        else:
            await read_to_end(self.house, first.id)
            questions = (await self.house.store.approvals.page(OWNER, PageQuery(), run_id=first.id)).data
            assert {question.status for question in questions} == {"cancelled"}

    async def _follow(self, first: Run, multitask: Multitask, case: Case) -> Run:
        await self.house.store.messages.add(OWNER, first.conversation_id, NewMessage(content="next"))
        new = NewRun(agent_id="general", multitask=multitask)
        if multitask == "reject" and case.moment != "run.completed":
            with pytest.raises(Conflict) as refusal:
                await self.house.engine.create_run(OWNER, "user", first.conversation_id, new)
            assert refusal.value.run_id == first.id
            await self.house.engine.cancel(OWNER, first.id)
            await read_to_end(self.house, first.id)
        run = await self.house.engine.create_run(OWNER, "user", first.conversation_id, new)
        if multitask == "enqueue":
            case.go_on.set()
        return run

    async def _branch(self, run: Run) -> list[str]:
        answer = (await self.house.store.runs.get(OWNER, run.id)).message_id
        assert answer
        return [message.content for message in await self.house.store.messages.branch(answer, 20)]


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.parametrize("multitask", ["enqueue", "reject", "interrupt", "rollback"])
async def test_next_message_succeeds_wherever_the_run_before_it_was_met(
    house: House, scripted_model: ScriptedModel, multitask: Multitask
) -> None:
    stage = Stage(house, scripted_model)
    for case in stage.cases.values():
        await stage.play(case, multitask)
    assert len(stage.acts) == len(set(stage.acts)), "a call was made twice"


async def test_of_many_messages_at_once_the_last_to_interrupt_is_answered(
    house: House, scripted_model: ScriptedModel
) -> None:
    gate = asyncio.Event()
    scripted_model.always(says("next"), Replies.text("fine").held(gate))
    stage = Stage(house, scripted_model)
    first = await ask(house, Case("model.delta", 0).question, agent_id="clock")
    new = NewRun(agent_id="general", multitask="interrupt")
    await house.store.messages.add(OWNER, first.conversation_id, NewMessage(content="next"))
    asked = [house.engine.create_run(OWNER, "user", first.conversation_id, new) for _ in range(5)]
    runs = sorted(await asyncio.gather(*asked), key=lambda run: run.id)
    gate.set()  # none of them could come to its end before the last was there
    ended = [(await final(house, run)).status for run in (first, *runs)]
    assert ended == ["cancelled"] * 5 + ["completed"]
    assert stage.acts == []
