"""Cuts Markdown and plain text into sections that can be found, cited and read. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_HEADING: Final = re.compile(r" {0,3}(#{1,6})\s++(.*)")
_FENCE: Final = re.compile(r" {0,3}(```|~~~)")
_MARKUP: Final = re.compile(r"[`*]|!?\[([^\[\]]*+)\]\([^()]*+(?:\([^()]*+\)[^()]*+)?\)")
_TEXT_LINES: Final = 40
"""Plain text has no headings: it is cut into pieces of this many lines."""


@dataclass(frozen=True)
class Section:
    """A heading and the text below it, up to the next heading of any level."""

    title: str
    anchor: str
    """What follows the `#` of a citation; empty for the text before the first heading."""
    level: int
    trail: str
    """The headings above it, for finding it."""
    text: str


def split_sections(name: str, content: str) -> list[Section]:
    """Returns the sections of a file, by its headings if it is Markdown, else by its lines."""
    if name.lower().endswith((".md", ".markdown", ".mdx")):
        return list(_by_headings(content.splitlines()))
    return list(_by_lines(content.splitlines()))


def with_subsections(sections: list[Section], anchor: str) -> list[Section]:
    """Returns the section of that anchor (or title) and the ones below it; none if there is no such section."""
    wanted = anchor.strip().lstrip("#").strip().lower()
    for place, section in enumerate(sections):
        if wanted in {section.anchor, section.title.lower(), slugify(section.title)}:
            below = place + 1
            while below < len(sections) and sections[below].level > section.level:
                below += 1
            return sections[place:below]
    return []


def slugify(title: str) -> str:
    """Returns the anchor that Git hosts give a heading."""
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", title.lower()).strip())


def _by_headings(lines: list[str]) -> Iterator[Section]:
    seen: dict[str, int] = {}
    above: list[tuple[int, str]] = []
    for level, title, text in _blocks(lines):
        while above and above[-1][0] >= level:
            above.pop()
        if title or text.strip():
            yield Section(title, _unique(slugify(title), seen), level, " / ".join(t for _, t in above), text.strip())
        above.append((level, title))


def _blocks(lines: list[str]) -> Iterator[tuple[int, str, str]]:
    level, title, text, fence = 0, "", list[str](), ""
    for line in lines:
        if (mark := _FENCE.match(line)) is not None and fence in {"", mark[1]}:
            fence = "" if fence else mark[1]
        heading = None if fence else _HEADING.match(line)
        if heading is None:
            text.append(line)
        else:
            yield level, title, "\n".join(text)
            level, title, text = len(heading[1]), _MARKUP.sub(r"\1", heading[2].rstrip().rstrip("#").rstrip()), []
    yield level, title, "\n".join(text)


def _unique(anchor: str, seen: dict[str, int]) -> str:
    """Numbers repeated headings as Git hosts do: `setup`, `setup-1`, …"""
    count = seen.get(anchor, 0)
    seen[anchor] = count + 1
    return f"{anchor}-{count}" if count else anchor


def _by_lines(lines: list[str]) -> Iterator[Section]:
    for start in range(0, len(lines), _TEXT_LINES):
        text = "\n".join(lines[start : start + _TEXT_LINES]).strip()
        if text:
            yield Section("", f"L{start + 1}", 1, "", text)
