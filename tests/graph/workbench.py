"""A toolbox whose tools are functions of the test, and a keeper of the log that a run can be handed to.

The keeper does what the engine does: writes a batch down, then asks for the next. It can die at any batch.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Literal

from graph.events import (
    TERMINAL,
    ApprovalRequested,
    ModelDelta,
    RunEvent,
    StepCompleted,
    ToolCallResult,
    ToolCallStarted,
)
from graph.runner import GraphRunner, RunInput
from mcp_config.calls.approval import refused
from mcp_config.tools import Answer, Approvals, JsonObject, Ledger, ToolCall, ToolResult, ToolSpec

RULE = "rules[0] (*)"
"""The rule that asks about every tool that `asks`."""
Act = Callable[[ToolCall], Awaitable[ToolResult]]


@dataclass(frozen=True)
class Tool:
    act: Act
    repeatable: bool = False
    return_direct: bool = False
    after: str | None = None
    asks: bool = False
    """A person has to allow each call."""


@dataclass
class Workbench:
    """A `ToolBox` of plain functions. `acts` lists each dispatched call at the moment it acts."""

    tools: Mapping[str, Tool] = field(default_factory=dict)
    starting: list[str] = field(default_factory=list)
    up: asyncio.Event = field(default_factory=asyncio.Event)
    acts: list[ToolCall] = field(default_factory=list)

    def specs(self, allowed: Sequence[str]) -> list[ToolSpec]:
        names = [name for name in sorted(self.tools) if any(fnmatchcase(name, glob) for glob in allowed)]
        return [_spec(name, self.tools[name]) for name in names]

    def warming(self, allowed: Sequence[str]) -> list[str]:
        return list(self.starting) if allowed and not self.up.is_set() else []

    async def ready(self, allowed: Sequence[str]) -> None:
        await self.up.wait()

    async def call(self, call: ToolCall, ledger: Ledger, approvals: Approvals | None = None) -> ToolResult:
        tool = self.tools.get(call.tool)
        if tool is None:
            return ToolResult("error", f"There is no tool {call.tool!r}.", "unknown_tool")
        if call.arguments.get("forbidden"):
            return ToolResult("denied", "The policy forbids this.", "denied_by_policy")
        if tool.asks and approvals:
            answer = await approvals.ask(call, RULE)
            if answer is None or answer.decision in ("reject", "expire"):
                return refused(call.tool, answer or Answer("expire"))
            call = replace(call, arguments=call.arguments if answer.arguments is None else answer.arguments)
        await ledger.started(call)
        self.acts.append(call)
        result = await tool.act(call)
        await ledger.ended(call, result)
        return result


def _spec(name: str, tool: Tool) -> ToolSpec:
    server, _, original = name.partition("__")
    schema: JsonObject = {"type": "object", "properties": {"q": {"type": "string"}}}
    return ToolSpec(
        name=name,
        server=server,
        original_name=original,
        description=f"The tool {original}.",
        input_schema=schema,
        model_schema=schema,
        return_direct=tool.return_direct,
        after=tool.after,
        repeatable=tool.repeatable,
    )


def returning(content: str, status: Literal["ok", "error"] = "ok") -> Act:
    async def act(call: ToolCall) -> ToolResult:
        return ToolResult(status, content, None if status == "ok" else "tool_error")

    return act


@dataclass(frozen=True)
class Death:
    """Where the keeper dies: at its n-th batch, before or after that was written down."""

    batch: int
    written: bool
    moment: Callable[[], None] = lambda: None
    """Called at that moment, while the run still lives."""


@dataclass
class Keeper:
    """Keeps one run's log over all of its attempts."""

    run: RunInput
    log: list[RunEvent] = field(default_factory=list)
    batches: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    """What a person says, by tool."""

    async def keep(self, runner: GraphRunner, death: Death | None = None) -> bool:
        """Makes one attempt. Returns whether the run reached its end."""
        async with aclosing(runner.run(self._attempt())) as batches:
            number = 0
            async for batch in batches:
                assert batch, "a batch is never empty"
                if death and number == death.batch:
                    death.moment()
                    self.log += batch if death.written else []
                    return False
                self.log += batch
                number += 1
        self.batches = number
        return True

    def _attempt(self) -> RunInput:
        attempt = self.log[-1].attempt + 1 if self.log else 1
        return replace(
            self.run,
            attempt=attempt,
            started=bool(self.log),
            earlier_calls=self._earlier_calls(),
            answers=self._answers(),
        )

    @property
    def asked(self) -> list[ApprovalRequested]:
        return [event for event in self.log if isinstance(event, ApprovalRequested)]

    def _answers(self) -> dict[str, Answer | None]:
        return {event.call_id: self.answers.get(event.tool) for event in self.asked}

    def _earlier_calls(self) -> dict[str, ToolResult | None]:
        calls: dict[str, ToolResult | None] = {}
        for event in self.log:
            if isinstance(event, ToolCallStarted):
                calls.setdefault(event.call_id, None)
            elif isinstance(event, ToolCallResult):
                code = event.error.code if event.error else None
                calls[event.call_id] = ToolResult(event.status, event.content or "", code)
        return calls

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.log]

    @property
    def ended(self) -> bool:
        return bool(self.log) and self.log[-1].type in TERMINAL

    def deltas(self, channel: str = "answer") -> str:
        return "".join(e.delta for e in self.log if isinstance(e, ModelDelta) and e.channel == channel)

    def outputs(self) -> dict[str, str]:
        return {event.step_id: event.output for event in self.log if isinstance(event, StepCompleted)}
