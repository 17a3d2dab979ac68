"""Column types that read and write the same on SQLite and PostgreSQL."""

from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import DateTime, Dialect, Text
from sqlalchemy.types import TypeDecorator
from typing_extensions import TypeForm, override

T = TypeVar("T")


class UtcMoment(TypeDecorator[datetime]):
    """A point in time, always aware, always UTC; SQLite itself keeps no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    @override
    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Prose(TypeDecorator[str]):
    """Text that people, models and tools wrote. What PostgreSQL cannot hold becomes U+FFFD, visibly."""

    impl = Text
    cache_ok = True

    @override
    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(value)


class JsonOf(TypeDecorator[Any]):  # Any: the column holds whatever the adapter parses
    """A value kept as JSON text and parsed by pydantic, so that it comes back as the type it went in."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: TypeForm[Any]) -> None:
        super().__init__()
        self.adapter: TypeAdapter[Any] = TypeAdapter(kind)

    @override
    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else self.adapter.dump_json(value).decode()

    @override
    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else self.adapter.validate_json(value)


def storable(text: str) -> str:
    """Returns `text` without NUL and lone surrogates, which not every database can hold."""
    return text.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
