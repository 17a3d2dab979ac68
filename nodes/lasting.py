"""What every node of the graph does beside its own work: it hands over a result only once its words are durable."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from langgraph.runtime import Runtime
from langgraph.types import Command

from nodes.context import RunContext
from nodes.facts import Fact, FactWriter, NodeEnding, StepDone
from nodes.models.port import ModelError, Usage
from nodes.state import RunFailure

S = TypeVar("S")
Update = dict[str, Any]
"""Changes to the state by key; each key's own type is in `nodes.state`."""
Node = Callable[[S, Runtime[RunContext]], Awaitable[Any]]
"""A node returns its changes as a mapping, or a `Command` that also says where to go: LangGraph types it no further."""


@dataclass
class _Tap:
    """Passes facts on and adds up what the completed steps among them took."""

    write: FactWriter
    usage: Usage = field(default_factory=Usage)

    def __call__(self, fact: Fact) -> None:
        if isinstance(fact, StepDone):
            self.usage += fact.usage
        self.write(fact)


def lasting(node: Node[S], fixed: RunContext | None = None) -> Callable[..., Awaitable[Command[str]]]:
    """Wraps a node: the usage of the steps it completes enters the state, a `ModelError` becomes the run's failure,
    and its result waits until the log holds what it said."""

    async def run(state: S, runtime: Runtime[RunContext]) -> Command[str]:
        context = fixed or runtime.context
        tap = _Tap(runtime.stream_writer)
        try:
            result = await node(state, runtime.override(context=context, stream_writer=tap))
        except ModelError as error:
            result = Update(failure=RunFailure(code=error.code, detail=str(error)))
        await _settle(context, runtime.stream_writer)
        command = result if isinstance(result, Command) else Command(update=result)
        return replace(command, update={**(command.update or {}), **_spent(tap.usage)})

    return run


def _spent(usage: Usage) -> Update:
    if usage == Usage():
        return {}
    return {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}


async def _settle(context: RunContext, write: FactWriter) -> None:
    if context.acknowledged:
        receipt = asyncio.get_running_loop().create_future()
        write(NodeEnding(receipt))
        await receipt
