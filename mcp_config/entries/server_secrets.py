"""Which values of a server's configuration must never be seen in a message about it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import urlsplit

from pydantic import JsonValue

from config.references import referenced
from config.secret_names import SHORTEST_SECRET, names_secret


def build_secrets(
    written: JsonValue, env: Mapping[str, str], headers: Iterable[str], variables: Mapping[str, str]
) -> frozenset[str]:
    """Returns the values by what they are called: headers, and variables whose names sound secret.

    `written` is the server's entry before expansion: it shows which variables went into it.
    """
    values = [value for name, value in env.items() if names_secret(name)]
    values += [variables.get(name, "") for name in referenced(json.dumps(written)) if names_secret(name)]
    for header in headers:
        values += [header, header.rpartition(" ")[2]]
    return frozenset(part for value in values for part in _parts(value) if len(part) >= SHORTEST_SECRET)


def _parts(value: str) -> Iterator[str]:
    yield value
    try:
        yield urlsplit(value).password or ""
    except ValueError:
        return
