"""An event's one JSON text: what is stored is what is sent."""

from pydantic import JsonValue
from pydantic_core import PydanticSerializationError

from config.redaction import Redactor
from graph.events import ModelDelta, RunEvent, StepCompleted, run_events
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


def build_redacted(event: RunEvent, redactor: Redactor) -> RunEvent:
    """Returns the event without what must not be seen: nothing gets into the log, or out of it, but by here.

    What models say was redacted where they say it, whole, and an output is the deltas before it: if each was looked at
    again by itself, one could change and the other not.
    """
    match event:
        case ModelDelta():
            return event
        case StepCompleted():
            output = redactor.known(event.output)
            return event if output == event.output else event.model_copy(update={"output": output})
        case _:
            said = event.model_dump()
            shown = redactor.value(said)
            return event if shown == said else run_events.validate_python(shown)


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
