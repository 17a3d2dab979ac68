"""The answer, read from the log: what the user was streamed is what is stored."""

from collections.abc import Iterable

from sqlalchemy import select

from graph.events import ModelDelta, RunEvent, StepStarted, run_events
from server.db.sessions import ReadSession
from server.db.tables import EventRow


async def read_answer(session: ReadSession, run_id: str) -> str:
    telling = ("step.started", "model.delta")
    rows = select(EventRow.json).where(EventRow.run_id == run_id, EventRow.type.in_(telling)).order_by(EventRow.seq)
    return build_answer(run_events.validate_json(text) for text in await session.scalars(rows))


def build_answer(events: Iterable[RunEvent]) -> str:
    """Returns the `answer` deltas of the last step that said any; a step that is opened again starts over."""
    said: dict[str, list[str]] = {}
    for event in events:
        if isinstance(event, StepStarted):
            said.pop(event.step_id, None)
        elif isinstance(event, ModelDelta) and event.channel == "answer":
            said.setdefault(event.step_id, []).append(event.delta)
    return "".join(next(reversed(said.values()), []))
