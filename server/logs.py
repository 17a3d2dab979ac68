"""Logs: one line per fact, readable on a terminal or JSON, with request and run ids; secrets never get through."""

import logging
import re
import sys
from collections.abc import Iterable, Mapping
from io import StringIO
from typing import Final, Literal, TextIO, cast

import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from config.redaction import Redactor
from config.secret_names import names_secret_field
from config.secret_patterns import HIDDEN

_BEARER: Final = re.compile(r"(?i)\b(bearer|basic)(\s+)[A-Za-z0-9._~+/=-]{6,}")
_UNSEEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Control characters, line ends of all kinds, and what turns the direction of text around."""


class Redaction:
    """The last processor: works on the finished line, so no field, traceback or nested value slips by it."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._redactor = Redactor(secrets, words_too=True)

    def __call__(self, logger: WrappedLogger, method: str, line: EventDict) -> str:
        return self.clean(cast(str, line))  # after the renderer it is text

    def clean(self, text: str) -> str:
        # what follows `Bearer` need not look like a token to be kept out of a log
        return _BEARER.sub(rf"\1\2{HIDDEN}", self._redactor.text(text, fields=True))


def hide_fields(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Hides what a field's name says is secret, however deep it lies."""
    return {name: HIDDEN if names_secret_field(name) and value else _hidden(value) for name, value in event.items()}


def _hidden(value: object) -> object:
    if isinstance(value, Mapping):
        return {
            key: HIDDEN if names_secret_field(str(key)) and inner else _hidden(inner) for key, inner in value.items()
        }
    return [_hidden(inner) for inner in value] if isinstance(value, list) else value


def configure_logs(level: str, form: Literal["console", "json"], secrets: Iterable[str]) -> None:
    """Sends every logger of the process, ours or not, down the same path to standard error."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper("iso" if form == "json" else "%H:%M:%S", utc=form == "json"),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                hide_fields,
                *_renderers(form),
                Redaction(secrets),
            ],
        )
    )
    logging.root.handlers = [stream]
    logging.root.setLevel(level.upper())
    _calm_others()


def _renderers(form: Literal["console", "json"]) -> list[Processor]:
    if form == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False), _one_line]
    console = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), pad_event_to=28, exception_formatter=_legible_traceback
    )
    return [_legible_values, console]


def _one_line(logger: WrappedLogger, method: str, line: EventDict) -> str:
    """Escapes what some readers take for the end of a line, or for a command; JSON itself lets it stand."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", cast(str, line))


def _legible_values(logger: WrappedLogger, method: str, line: EventDict) -> EventDict:
    """Shows what would move the cursor, colour the terminal or begin a line that nobody has logged."""
    return {name: _escaped(value) if isinstance(value, str) else value for name, value in line.items()}


def _legible_traceback(sink: TextIO, error: ExcInfo) -> None:
    # the renderer's own choice of traceback would print every local variable
    plain = StringIO()
    structlog.dev.plain_traceback(plain, error)
    sink.write("\n".join(map(_escaped, plain.getvalue().split("\n"))))


def _escaped(text: str) -> str:
    return _UNSEEN.sub(lambda found: ascii(found[0])[1:-1], text)


def _calm_others() -> None:
    """Takes away what libraries add of their own, and what they say too often."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    for name in ("uvicorn.error", "httpx", "httpx2", "httpcore", "openai", "mcp", "alembic", "aiosqlite", "asyncio"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.root.level))
    # it tells each client that leaves as an error, with a traceback
    logging.getLogger("mcp.server.streamable_http").setLevel(logging.CRITICAL)
    # what goes wrong with a login is told where it is looked at; the SDK would tell codes and answers, too
    logging.getLogger("mcp.client.auth").setLevel(logging.CRITICAL)
    # our own request line replaces it; it is also where uvicorn would print query strings
    logging.getLogger("uvicorn.access").setLevel(logging.CRITICAL)
