"""What an answer rests on, read from the results of the shipped documentation and web tools. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from graph.events import ToolCallStarted
from server.completions.chunks import Line

_HIT: Final = re.compile(r"^\[\d+\] (?P<place>\S+)[^\n]*\n(?P<text>.*?)(?=\n\n\[\d+\] |\Z)", re.MULTILINE | re.DOTALL)
_LONGEST_TEXT: Final = 2_000


@dataclass(frozen=True)
class Source:
    name: str
    text: str
    url: str | None = None

    def line(self) -> Line:
        source: Line = {"name": self.name, "url": self.url} if self.url else {"name": self.name}
        return {
            "source": source,
            "document": [self.text[:_LONGEST_TEXT]],
            "metadata": [{"source": self.url or self.name, "name": self.name}],
        }


def find_sources(call: ToolCallStarted, content: str) -> Iterator[Source]:
    """Yields the documents or pages that a call has read."""
    match call.tool:
        case "docs__search":
            for hit in _HIT.finditer(content):
                yield Source(hit["place"].rstrip(":"), hit["text"].strip())
        case "docs__read":
            place, _, text = content.partition("\n")
            yield Source(place.partition(" (part ")[0], text.strip())
        case "fetch__fetch":
            url = call.arguments.get("url")
            # Any other scheme could be a script behind a link.
            if isinstance(url, str) and url.startswith(("https://", "http://")):
                yield Source(url, content, url)
