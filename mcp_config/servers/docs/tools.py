"""The two tools of the docs server, `search` and `read`, and the text they answer with."""

from collections.abc import Iterable
from typing import Annotated, Final

from pydantic import Field

from mcp_config.servers.docs.index import DocsIndex, Hit
from mcp_config.servers.docs.sections import Section, with_subsections
from mcp_config.servers.readable import clip_lines
from mcp_config.servers.rooted_files import OutsideRootsError
from mcp_config.servers.serving import RefusedError

_PAGE: Final = 4_000
_MAX_HITS: Final = 10
_MAX_LISTED: Final = 1_200


class DocsTools:
    def __init__(self, index: DocsIndex) -> None:
        self._index = index

    def search(
        self,
        query: Annotated[str, Field(description="What to look for, in plain words")],
        limit: Annotated[int, Field(description="How many results, at most 10")] = 5,
    ) -> str:
        """Searches the documentation. Each result starts with its source, `path#heading`: cite it in the answer."""
        hits = self._index.search(query, min(max(limit, 1), _MAX_HITS))
        if hits:
            return "\n\n".join(f"[{n}] {_format_hit(hit)}" for n, hit in enumerate(hits, start=1))
        return f"Nothing found; try other words. Documents: {_enumerate(self._index.files())}"

    def read(
        self,
        path: Annotated[str, Field(description="Document as `search` names it, with or without #heading")],
        heading: Annotated[str, Field(description="One section only; empty for the whole document")] = "",
        part: Annotated[int, Field(description="Which part of a long text")] = 1,
    ) -> str:
        """Reads a document of the documentation, or one section of it."""
        file, _, anchor = path.strip().partition("#")
        try:
            sections = self._index.sections(file)
        except OutsideRootsError as refusal:
            raise RefusedError(f"{refusal}; documents: {_enumerate(self._index.files())}") from None
        wanted = heading or anchor
        chosen = with_subsections(sections, wanted) if wanted else sections
        if not chosen:
            headings = _enumerate(section.anchor for section in sections if section.anchor)
            raise RefusedError(f"{file} has no heading {wanted!r}; headings: {headings}")
        return _page(_cite(file, chosen[0].anchor if wanted else ""), _join(chosen), part)


def _format_hit(hit: Hit) -> str:
    title = f" {hit.title}:" if hit.title else ""
    return f"{_cite(hit.file, hit.anchor)}{title}\n{' '.join(hit.snippet.split())}"


def _cite(file: str, anchor: str) -> str:
    return f"{file}#{anchor}" if anchor else file


def _enumerate(names: Iterable[str]) -> str:
    kept, more = clip_lines(names, _MAX_LISTED)
    return ", ".join([*kept, *([f"… {more} more"] if more else [])]) or "none"


def _join(sections: list[Section]) -> str:
    texts = [
        f"{'#' * section.level} {section.title}\n{section.text}" if section.title else section.text
        for section in sections
    ]
    return "\n\n".join(text.strip() for text in texts)


def _page(source: str, text: str, part: int) -> str:
    parts = max(1, -(-len(text) // _PAGE))
    if not 1 <= part <= parts:
        raise RefusedError(f"{source} has {parts} parts; ask for one of them")
    shown = text[(part - 1) * _PAGE : part * _PAGE]
    if parts == 1:
        return f"{source}\n{shown}"
    rest = f"\n… {len(text) - part * _PAGE} more characters: read part {part + 1}" if part < parts else ""
    return f"{source} (part {part} of {parts})\n{shown}{rest}"
