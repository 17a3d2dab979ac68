"""From facts to events. Knows what is open, so that each step starts once per attempt and everything is closed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypedDict, assert_never

from config.ids import derive_id, new_id
from graph.events import (
    ApprovalRequested,
    Failure,
    ModelDelta,
    Plan,
    PlanCreated,
    PlannedStep,
    RunCompleted,
    RunEvent,
    RunFailed,
    RunResumed,
    RunStarted,
    StepCompleted,
    StepFailed,
    StepStarted,
    ToolCallResult,
    ToolCallStarted,
    Usage,
)
from mcp_config.tools import ToolCall, ToolResult
from nodes.facts import (
    ApprovalAsked,
    CallEnded,
    CallStarted,
    Fact,
    NodeEnding,
    PlanMade,
    Said,
    StepBroken,
    StepDone,
    StepOpened,
)
from nodes.models.port import Usage as Tokens
from nodes.state import PlanStep, RunFailure

_ENDED_WITH_RUN: Final = ToolResult(
    "cancelled", "The run ended before this call had an outcome; it is not known whether it took effect.", "cancelled"
)


class _Envelope(TypedDict):
    run_id: str
    attempt: int


@dataclass
class Translation:
    """One attempt of one run, on its way into the log."""

    run_id: str
    attempt: int
    _open_steps: set[str] = field(default_factory=set)
    _open_calls: dict[str, CallStarted] = field(default_factory=dict)

    @property
    def _envelope(self) -> _Envelope:
        return _Envelope(run_id=self.run_id, attempt=self.attempt)

    def started(self, conversation_id: str, agent_id: str) -> RunEvent:
        return RunStarted(**self._envelope, conversation_id=conversation_id, agent_id=agent_id)

    def resumed(self, from_step: str | None) -> RunEvent:
        return RunResumed(**self._envelope, from_step=from_step)

    def events(self, fact: Fact) -> list[RunEvent]:
        match fact:
            case StepOpened():
                return self._opened(fact)
            case NodeEnding():
                return []
            case _:
                return [self._event(fact)]

    def _event(
        self, fact: PlanMade | Said | CallStarted | ApprovalAsked | CallEnded | StepDone | StepBroken
    ) -> RunEvent:
        match fact:
            case PlanMade():
                return PlanCreated(**self._envelope, step_id=fact.step_id, plan=build_plan(fact.steps))
            case Said():
                return ModelDelta(**self._envelope, step_id=fact.step_id, channel=fact.channel, delta=fact.text)
            case CallStarted():
                self._open_calls[fact.call.id] = fact
                return self._call_started(fact.step_id, fact.call)
            case ApprovalAsked():
                return self._asked(fact)
            case CallEnded():
                return self._call_ended(fact)
            case StepDone() | StepBroken():
                return self._closed(fact)
            case _:
                assert_never(fact)

    def ending(self, failure: RunFailure | None, usage: Tokens) -> list[RunEvent]:
        """Returns the terminal event, after the closing ones of calls and steps that a failure left open."""
        if failure is None:
            return [RunCompleted(**self._envelope, message_id=new_id("msg"), usage=build_usage(usage))]
        ended = [CallEnded(fact.step_id, fact.call, _ENDED_WITH_RUN) for fact in self._open_calls.values()]
        broken = [StepBroken(step_id, failure["code"], failure["detail"]) for step_id in sorted(self._open_steps)]
        error = Failure(code=failure["code"], detail=failure["detail"])
        closing = [*map(self._event, ended), *map(self._event, broken)]
        return [*closing, RunFailed(**self._envelope, error=error, usage=build_usage(usage))]

    def _opened(self, fact: StepOpened) -> list[RunEvent]:
        if fact.step_id in self._open_steps:
            return []
        self._open_steps.add(fact.step_id)
        events: list[RunEvent] = [
            StepStarted(**self._envelope, step_id=fact.step_id, kind=fact.kind, agent=fact.agent, task=fact.task)
        ]
        if fact.said:
            delta = ModelDelta(**self._envelope, step_id=fact.step_id, channel=fact.channel, delta=fact.said)
            events.append(delta)
        return events

    def _closed(self, fact: StepDone | StepBroken) -> RunEvent:
        self._open_steps.discard(fact.step_id)
        if isinstance(fact, StepBroken):
            error = Failure(code=fact.code, detail=fact.detail)
            return StepFailed(**self._envelope, step_id=fact.step_id, error=error)
        usage = build_usage(fact.usage)
        return StepCompleted(**self._envelope, step_id=fact.step_id, output=fact.output, usage=usage)

    def _call_started(self, step_id: str, call: ToolCall) -> RunEvent:
        return ToolCallStarted(
            **self._envelope, step_id=step_id, call_id=call.id, tool=call.tool, arguments=call.arguments
        )

    def _asked(self, fact: ApprovalAsked) -> RunEvent:
        return ApprovalRequested(
            **self._envelope,
            step_id=fact.step_id,
            call_id=fact.call.id,
            approval_id=derive_id("appr", self.run_id, fact.call.id),
            tool=fact.call.tool,
            arguments=fact.call.arguments,
            rule=fact.rule,
        )

    def _call_ended(self, fact: CallEnded) -> RunEvent:
        self._open_calls.pop(fact.call.id, None)
        result = fact.result
        failure = Failure(code=result.error_code or result.status, detail=result.content)
        return ToolCallResult(
            **self._envelope,
            step_id=fact.step_id,
            call_id=fact.call.id,
            tool=fact.call.tool,
            status=result.status,
            content=result.content,
            error=None if result.status == "ok" else failure,
            artifact_id=result.artifact_id,
        )


def build_plan(steps: Sequence[PlanStep]) -> Plan:
    return Plan(
        steps=tuple(
            PlannedStep(id=step["id"], agent=step["agent"], task=step["task"], depends_on=tuple(step["depends_on"]))
            for step in steps
        )
    )


def build_usage(tokens: Tokens) -> Usage:
    return Usage.of(tokens.input_tokens, tokens.output_tokens)
