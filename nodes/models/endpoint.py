"""Where a model lives and what its failures mean: provider errors become `ModelError`s that tell a person what to do.

Knows no provider package: errors are told apart by status code and by the classes langchain-core shares.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Literal
from urllib.parse import urlsplit

import httpx
from langchain_core.exceptions import (
    ContextOverflowError,
    ModelConnectionError,
    ModelTimeoutError,
)

from config.settings import Settings
from nodes.models.constrained import ToolsUnsupported
from nodes.models.port import ModelError

Failure = Literal["auth", "missing", "busy", "rejected", "too_long", "broken", "unreachable", "timeout", "unreadable"]

_LONGEST_QUOTE: Final = 300
_NO_TOOLS: Final = "does not support tools"
_TOO_LONG: Final = re.compile(
    r"exceed\w*( the)?( available)? context|maximum context length|prompt is too long", re.IGNORECASE
)
"""How servers say it that have no error code for it: llama.cpp, vLLM and others."""


@dataclass(frozen=True)
class Deadlines:
    """How long, in seconds, to wait for a connection, the first token, and each token after it."""

    connect: float = 10
    first_token: float = 120
    next_token: float = 60

    @classmethod
    def of(cls, settings: Settings) -> "Deadlines":
        return cls(first_token=settings.model_first_token_timeout, next_token=settings.model_idle_timeout)


@dataclass(frozen=True)
class Endpoint:
    """One provider's address, and the names of the settings that lead to it."""

    selector: str
    url: str
    url_setting: str
    key_setting: str = ""
    """Empty when the provider takes no key."""
    when_missing: str = "check the name"
    """What to do when the provider does not know the model."""
    when_unreachable: str = ""
    """What to do when nobody answers; by default, to look at `url_setting`."""
    secrets: tuple[str, ...] = ()
    """Never shown, even where the provider quotes them."""
    deadlines: Deadlines = Deadlines()

    @property
    def place(self) -> str:
        """The address without credentials, path or query."""
        parts = urlsplit(self.url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname}{port}"

    def explain(self, error: Exception) -> ModelError:
        """Returns what a failure of the provider's client means here."""
        failure = _failure(error)
        code, sentence = _MEANINGS[failure]
        detail = sentence.format(
            place=self.place,
            model=self.selector,
            setting=self.url_setting,
            rescue=self.when_unreachable or f"is it running? set {self.url_setting} if it is elsewhere",
            key=f"the key in {self.key_setting}" if self.key_setting else "the request",
            remedy=self.when_missing,
            words=self._quote(error),
        )
        kind = ToolsUnsupported if _NO_TOOLS in _words(error) else ModelError
        # A stall has taken all the time there was: the same call again would make people wait as long once more.
        transient = failure in _PASSING or _status(error) in _GAVE_UP_EARLY
        return kind(code, detail, transient=transient, retry_after=read_retry_after(error))

    def _quote(self, error: Exception) -> str:
        """The provider's own words on one line, without secrets."""
        text = " ".join(_words(error).split())
        for secret in filter(None, (*self.secrets, urlsplit(self.url).password)):
            text = text.replace(secret, "***")
        return text[:_LONGEST_QUOTE]


_MEANINGS: Final[Mapping[Failure, tuple[str, str]]] = {
    "auth": ("model_auth", "{key} was refused by {place}: check it, and that it may use {model}"),
    "missing": ("model_rejected", "{place} does not know {model}: {remedy}"),
    "busy": ("model_unavailable", "{place} answers that the rate limit or quota is used up: {words}"),
    "rejected": ("model_rejected", "{model} rejected the request: {words}"),
    "too_long": (
        "model_rejected",
        "the prompt is longer than {model} can read: shorten it or start a new conversation",
    ),
    "broken": ("model_unavailable", "{place} failed: {words}"),
    "unreachable": ("model_unavailable", "no answer from {place}: {rescue}"),
    "timeout": ("model_timeout", "{model} at {place} took too long: try again, or choose a quicker model"),
    "unreadable": ("model_bad_output", "{place} sent a reply that cannot be read: is {setting} the right address?"),
}
"""Code and sentence for each way to fail."""
_STATUSES: Final[Mapping[int, Failure]] = {
    401: "auth",
    403: "auth",
    404: "missing",
    408: "timeout",
    413: "too_long",
    429: "busy",
    504: "timeout",
}


_PASSING: Final = frozenset[Failure]({"busy", "broken", "unreachable"})
_GAVE_UP_EARLY: Final = (408, 504)
"""A provider that says itself that it took too long has not let us wait until our own deadline."""


def read_retry_after(error: Exception) -> float | None:
    """Returns for how many seconds the provider asks to be left alone, in either form of `Retry-After`."""
    headers = getattr(getattr(error, "response", None), "headers", None)
    said = headers.get("retry-after") if isinstance(headers, Mapping) else None
    if said is None:
        return None
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def _failure(error: Exception) -> Failure:
    if isinstance(error, ContextOverflowError) or _TOO_LONG.search(_words(error)):
        return "too_long"
    if isinstance(error, ModelTimeoutError | httpx.TimeoutException | TimeoutError):
        return "timeout"
    if isinstance(error, ModelConnectionError | httpx.TransportError | ConnectionError):
        return "unreachable"
    if status := _status(error):
        return _STATUSES.get(status, "rejected" if status < 500 else "broken")
    return "unreadable" if isinstance(error, ValueError | TypeError | KeyError) else "broken"


def _status(error: Exception) -> int | None:
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) and status >= 400 else None


def _words(error: Exception) -> str:
    """What the provider said: the message inside its error object where there is one."""
    body = getattr(error, "body", None)
    if isinstance(body, dict) and isinstance(body.get("message"), str):
        return str(body["message"])
    text = str(getattr(error, "error", "") or error)  # Ollama's errors carry the response body as `error`
    try:
        parsed = json.loads(text)
    except ValueError:
        return text
    return str(parsed.get("error", text)) if isinstance(parsed, dict) else text
