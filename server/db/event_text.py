"""An event's one JSON text: what is stored is what is sent."""

from pydantic import JsonValue
from pydantic_core import PydanticSerializationError

from graph.events import RunEvent, run_events
from server.db.columns import storable


def write_down(event: RunEvent) -> tuple[RunEvent, str]:
    """Returns the event as it can be stored, and its text.

    A model may say half a character (a lone surrogate), which no UTF-8 holds: it becomes U+FFFD.
    """
    try:
        return event, event.model_dump_json()
    except PydanticSerializationError:
        whole = run_events.validate_python(_whole(event.model_dump()))
        return whole, whole.model_dump_json()


def _whole(value: JsonValue) -> JsonValue:
    match value:
        case str():
            return storable(value)
        case list() | tuple():
            return [_whole(item) for item in value]
        case dict():
            return {storable(key): _whole(item) for key, item in value.items()}
        case _:
            return value
