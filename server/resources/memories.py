"""What agents remember, as its user sees it."""

from graph.events import Moment
from server.resources.resource import Resource


class Memory(Resource):
    """One thing that agents remember about their user."""

    id: str
    text: str
    agent: str | None
    run_id: str | None
    """The run in which it was remembered."""
    created_at: Moment
