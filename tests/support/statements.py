"""What the product asks its databases: each statement as it is sent, and how much work SQLite has with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

_STEP: Final = 10
"""Instructions of SQLite's machine between two counts."""


@dataclass(frozen=True)
class Statement:
    text: str
    parameters: Any  # as the driver takes them

    def explain(self, url: str) -> str:
        """Returns the plan that the database at `url` makes for it, without carrying it out."""
        engine = create_engine(url)
        word = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "
        try:
            with engine.connect() as connection:
                rows = connection.exec_driver_sql(word + self.text, self.parameters)
                return "\n".join(" ".join(map(str, row)) for row in rows)
        finally:
            engine.dispose()


@dataclass
class Watch:
    statements: list[Statement] = field(default_factory=list)
    instructions: int = 0
    """What SQLite's machine has done: the same for the same work, whatever else the computer does."""

    def about(self, *words: str) -> list[Statement]:
        return [each for each in self.statements if all(word in each.text for word in words)]


@contextmanager
def watching() -> Iterator[Watch]:
    """Watches all databases that are opened inside."""
    watch = Watch()

    def note(_: Connection, __: object, text: str, parameters: object, *rest: object) -> None:
        watch.statements.append(Statement(text, parameters))

    def count() -> int:
        watch.instructions += _STEP
        return 0

    def follow(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        adapter: Any = connection  # SQLAlchemy's own, whose type has no stubs
        # the migrations' own connection is sqlite3's, PostgreSQL's has no such thing: neither is counted
        if hasattr(getattr(adapter, "driver_connection", None), "set_progress_handler"):
            adapter.run_async(lambda driver: driver.set_progress_handler(count, _STEP))

    event.listen(Engine, "before_cursor_execute", note)
    event.listen(Engine, "connect", follow)
    try:
        yield watch
    finally:
        event.remove(Engine, "before_cursor_execute", note)
        event.remove(Engine, "connect", follow)
