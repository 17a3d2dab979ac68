"""What every node of the graph does beside its own work: it hands over a result only once its words are durable."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from langgraph.runtime import Runtime
from langgraph.types import Command

from nodes.context import RunContext
from nodes.facts import FactWriter, NodeEnding
from nodes.models.port import ModelError
from nodes.state import RunFailure

S = TypeVar("S")
Update = dict[str, Any]
"""Changes to the state by key; each key's own type is in `nodes.state`."""
Node = Callable[[S, Runtime[RunContext]], Awaitable[Any]]
"""A node returns its changes as a mapping, or a `Command` that also says where to go: LangGraph types it no further."""


def lasting(node: Node[S], fixed: RunContext | None = None) -> Callable[..., Awaitable[Command[str]]]:
    """Wraps a node: a `ModelError` becomes the run's failure, and its result waits until the log holds what it said."""

    async def run(state: S, runtime: Runtime[RunContext]) -> Command[str]:
        context = fixed or runtime.context
        try:
            result = await node(state, runtime.override(context=context))
        except ModelError as error:
            result = Update(failure=RunFailure(code=error.code, detail=str(error)))
        await _settle(context, runtime.stream_writer)
        return result if isinstance(result, Command) else Command(update=result)

    return run


async def _settle(context: RunContext, write: FactWriter) -> None:
    if context.acknowledged:
        receipt = asyncio.get_running_loop().create_future()
        write(NodeEnding(receipt))
        await receipt
