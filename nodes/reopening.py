"""What becomes of a step whose model breaks off when people have already read some of its words.

They cannot be unsaid within an attempt. Where somebody keeps the run, it is stopped between two supersteps and claimed
anew: the step is opened again in a higher attempt, which voids what it said. Elsewhere, and in the end, it fails.
"""

from typing import Final

from langgraph.runtime import Runtime

from nodes.context import RunContext
from nodes.facts import Said
from nodes.models.port import ModelError

REOPENING: Final = "reopening"
"""Why the graph is asked to stop."""


def ask_anew(error: ModelError, runtime: Runtime[RunContext], step_id: str) -> bool:
    """Has the run stopped so that the step can start over, and says so; returns False where that cannot be done."""
    if not (error.transient and runtime.context.may_reopen and runtime.control):
        return False
    told = f"The model broke off ({error}). What it has said is void; it is asked again.\n"
    runtime.stream_writer(Said(step_id, "reasoning", told))
    runtime.control.request_drain(REOPENING)
    return True
