"""Carries one run: starts or resumes the graph and yields what happens as batches of events.

The only file that knows the shapes of LangGraph's stream. It knows neither the log nor the database of its consumer.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from langchain_core.messages import AnyMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl
from langgraph.types import StateSnapshot

from config.agents import ROUTER, AgentSpec
from config.api_keys import Role
from config.ids import derive_id
from graph.builder import NAME, build_graph
from graph.deadlines import Deadlines
from graph.events import RunEvent
from graph.forking import HeadStart
from graph.given import build_given
from graph.outbox import Outbox
from graph.settling import Settling
from graph.translate import Translation
from mcp_config.tools import Answer, ToolBox, ToolResult
from nodes.budget import Bound, Budget, BudgetExceeded
from nodes.context import ModelCatalog, RunContext, Surroundings
from nodes.facts import ApprovalAsked, CallStarted, NodeEnding
from nodes.reopening import REOPENING
from nodes.spending import Spending
from nodes.state import RunFailure, RunState

ATTEMPT: Final = "attempt"
"""Under this word a checkpointer finds in its config which attempt of the run reads or writes."""
_RECURSION_LIMIT: Final = 200
"""Far above what turns and plans allow: budgets end a run, not LangGraph's own brake."""
_LOST: Final = RunFailure(
    code="checkpoint_lost",
    detail="What this run had come to was lost. It had used tools already, so it was not begun anew; ask again.",
)


class Drained(Exception):
    """The run stopped where it was asked to, between two supersteps; it goes on from there in a new attempt."""


class BrokenOff(Drained):
    """A model broke off in mid-answer: claimed anew at once, the run opens that step again."""


class Drain:
    """Asks one attempt of a run to stop as soon as the nodes that are at work have ended."""

    def __init__(self) -> None:
        self.control: Final = RunControl()

    def request(self) -> None:
        self.control.request_drain()


@dataclass(frozen=True)
class RunInput:
    """What a run begins with."""

    run_id: str
    conversation_id: str
    agent_id: str
    messages: Sequence[AnyMessage]
    """A bounded window, oldest first; the message to answer is the newest of the user's."""
    owner: str
    role: Role = "user"
    attempt: int = 1
    started: bool = False
    """Whether the log already holds `run.started`."""
    head_start: HeadStart | None = None
    """What it takes over from the run it was forked from."""
    earlier_calls: Mapping[str, ToolResult | None] = field(default_factory=dict)
    """Tool calls of earlier attempts: their results, or None for one that was started and never ended."""
    used: Collection[str] = ()
    """Tools that earlier attempts called."""
    read: Collection[str] = ()
    """Tools whose results stand in what the run was given, or were read by earlier attempts."""
    answers: Mapping[str, Answer | None] = field(default_factory=dict)
    """What people said of calls that earlier attempts asked about, by call id; None where nobody has answered yet."""
    bounds: Sequence[Bound] = ()
    """What its request and the policies allow; the limits of its agent are added here."""
    spending: Spending = field(default_factory=Spending)
    """What earlier attempts took; this one adds to it while it works."""
    may_reopen: bool = False
    """Whether the keeper takes it up again when it has broken off."""
    drain: Drain = field(default_factory=Drain)
    """With it the keeper may stop this attempt."""


class GraphRunner:
    """The runner of one registry revision: its graph is compiled once."""

    def __init__(
        self,
        agents: Mapping[str, AgentSpec],
        models: ModelCatalog,
        tools: ToolBox,
        checkpointer: BaseCheckpointSaver[str] | None,
        surroundings: Surroundings = Surroundings(),  # noqa: B008 - frozen
    ) -> None:
        self._surroundings = surroundings
        self._agents, self._models, self._tools = agents, models, tools
        self._checkpointer = Settling(checkpointer) if checkpointer else None
        self._graph = build_graph(agents).compile(checkpointer=self._checkpointer, name=NAME)

    async def run(self, run: RunInput) -> AsyncGenerator[list[RunEvent], None]:
        """Yields the run's events in batches, in order. Asking for the next batch acknowledges the one before.

        The last one is terminal, unless the run waits for a person: then it goes on with `answers` in a new attempt.
        The run lives as long as this iterator: closing it ends all of the run's work. Unexpected errors propagate.

        Raises:
            Drained: after the last batch, because it was asked to stop, or, as `BrokenOff`, a model broke off.
        """
        outbox = Outbox()
        work = asyncio.create_task(self._work(run, outbox), name=f"run {run.run_id}")
        try:
            while batch := await outbox.take():
                yield batch.events
                batch.acknowledge()
            await work
        finally:
            work.cancel()
            await asyncio.wait([work])
            if self._checkpointer:
                await self._checkpointer.settle(run.run_id)

    async def forget(self, run_id: str) -> None:
        """Removes the run's checkpoints."""
        if self._checkpointer:
            await self._checkpointer.adelete_thread(run_id)

    async def _work(self, run: RunInput, outbox: Outbox) -> None:
        try:
            translation = Translation(run.run_id, run.attempt)
            thread = {"thread_id": run.run_id, ATTEMPT: run.attempt}
            config = RunnableConfig(configurable=thread, recursion_limit=_RECURSION_LIMIT)
            saved = await self._find_checkpoint(config)
            if run.started:
                outbox.put([translation.resumed(_resume_point(saved, run))])
            else:
                outbox.put([translation.started(run.conversation_id, run.agent_id)])
            state = await self._drive_in_time(run, config, saved, translation, outbox)
            if state is not None:
                outbox.put(translation.ending(state.get("failure"), run.spending.usage))
        except GraphDrained as drained:
            broken = run.drain.control.drain_reason == REOPENING
            raise BrokenOff if broken else Drained from drained
        finally:
            outbox.close()

    async def _find_checkpoint(self, config: RunnableConfig) -> StateSnapshot | None:
        if self._checkpointer is None:
            return None
        snapshot = await self._graph.aget_state(config)
        return snapshot if snapshot.created_at else None

    async def _drive_in_time(
        self,
        run: RunInput,
        config: RunnableConfig,
        saved: StateSnapshot | None,
        translation: Translation,
        outbox: Outbox,
    ) -> RunState | None:
        """Runs the graph to its end, or to that of its time, and returns the last state; None when it waits."""
        context = self._context(run)
        deadlines = Deadlines(context.budget)
        try:
            async with deadlines.kept():
                return await self._drive(run, context, config, saved, translation, outbox, deadlines)
        except BudgetExceeded as error:
            return RunState(failure=RunFailure(code=error.code, detail=str(error)))

    async def _drive(
        self,
        run: RunInput,
        context: RunContext,
        config: RunnableConfig,
        saved: StateSnapshot | None,
        translation: Translation,
        outbox: Outbox,
        deadlines: Deadlines,
    ) -> RunState | None:
        """Runs the graph to its end and returns the last state; None when it stopped to wait for a person."""
        if saved is None and await self._is_lost(run):
            return RunState(failure=_LOST)
        state = cast(RunState, saved.values) if saved else _first_state(run)
        if saved and not saved.tasks:  # `next` is empty, too, while all tasks of a superstep are done
            return state
        stream = self._graph.astream(
            None if saved else state,
            config,
            context=context,
            stream_mode=["custom", "values"],
            subgraphs=True,
            durability="sync" if self._checkpointer else None,
            control=run.drain.control,
            version="v2",
        )
        waits = False
        async for part in stream:
            if part["type"] == "custom":
                fact = part["data"]
                deadlines.hear(fact)
                receipt = fact.receipt if isinstance(fact, CallStarted | ApprovalAsked | NodeEnding) else None
                outbox.put(translation.events(fact), receipt)
            elif part["type"] == "values" and not part["ns"]:
                state, waits = part["data"], waits or bool(part["interrupts"])
        return None if waits else state

    async def _is_lost(self, run: RunInput) -> bool:
        """Returns whether a run without a checkpoint could do something twice if it began anew.

        The first checkpoint comes before any tool call, and a model that is asked anew makes its calls under new ids.
        """
        if self._checkpointer is None or not run.earlier_calls:
            return False
        await self._tools.ready([*run.used])
        harmless = {spec.name for spec in self._tools.specs([*run.used]) if spec.repeatable}
        return not harmless.issuperset(run.used)

    def _context(self, run: RunInput) -> RunContext:
        agent = self._agents.get(run.agent_id)
        own = [Bound(agent.policies.limits, f"the agent {agent.id}")] if agent else []
        return RunContext(
            run_id=run.run_id,
            owner=run.owner,
            agents=self._agents,
            models=self._models,
            tools=self._tools,
            role=run.role,
            acknowledged=True,
            earlier_calls=run.earlier_calls,
            may_reopen=run.may_reopen,
            read=set(run.read),
            answers=run.answers,
            surroundings=self._surroundings,
            budget=Budget(run.spending, (*run.bounds, *own), self._agents),
        )


def _first_state(run: RunInput) -> RunState:
    state = RunState(messages=[*run.messages], agent_id=run.agent_id)
    if run.head_start is not None:
        state["head_start"] = build_given(run.head_start)
    return state


def _resume_point(saved: StateSnapshot | None, run: RunInput) -> str | None:
    """Returns the first step that is not done yet; None when the run begins anew or only its end was lost."""
    if saved is None or not saved.tasks:
        return None
    state = cast(RunState, saved.values)
    if not state.get("plan"):
        if run.agent_id != ROUTER:
            return derive_id("step", run.run_id, "only")
        return derive_id("step", run.run_id, "replan" if state.get("replanned") else "plan")
    done = {result["step_id"] for result in state.get("results", [])}
    undone = (step["id"] for step in state["plan"] if step["id"] not in done)
    return next(undone, derive_id("step", run.run_id, "synthesis"))
