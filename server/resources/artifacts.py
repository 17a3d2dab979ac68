"""Results that are kept whole, as clients see them and as they are stored."""

from graph.events import Moment
from server.resources.resource import Resource


class Artifact(Resource):
    """A result or file that is kept whole; its bytes are at `/v1/artifacts/{id}/content`."""

    id: str
    run_id: str | None
    call_id: str | None
    name: str
    media_type: str
    size: int
    created_at: Moment


class NewArtifact(Resource):
    """What is known of an artifact before it is stored."""

    id: str
    owner: str
    run_id: str | None
    call_id: str | None
    name: str
    media_type: str
