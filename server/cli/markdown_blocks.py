"""Cuts a text that is still being written into blocks of Markdown that are finished, and shows a block tightly."""

from itertools import dropwhile
from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Markdown
from rich.segment import Segment

_FENCES: Final = ("```", "~~~")


class MarkdownBlocks:
    """Text goes in piece by piece; what cannot change any more comes out, block by block."""

    def __init__(self) -> None:
        self.rest = ""
        """The block that is being written."""

    def add(self, text: str) -> list[str]:
        """Returns the blocks that this text has finished."""
        *finished, self.rest = _split(self.rest + text)
        return finished

    def finish(self) -> str:
        """Returns what is left, as the last block."""
        rest, self.rest = self.rest.strip("\n"), ""
        return rest


def _split(text: str) -> list[str]:
    """Splits at empty lines that are not inside a fence; the last part may go on."""
    blocks: list[str] = []
    block: list[str] = []
    fence = ""
    *lines, last = text.split("\n")
    for line in lines:
        fence = _fence_after(line, fence)
        if line.strip() or fence:
            block.append(line)
        elif block:
            blocks.append("\n".join(block))
            block = []
    return [*blocks, "\n".join([*block, last])]


def _fence_after(line: str, fence: str) -> str:
    """Returns the fence that is open after this line, if one is."""
    start = line.lstrip()[:3]
    if fence:
        return "" if start == fence else fence
    return start if start in _FENCES else ""


class TightMarkdown:
    """Markdown without the empty lines that rich puts around blocks: here each block is printed on its own."""

    def __init__(self, text: str) -> None:
        self._markdown = Markdown(text)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self._markdown, options, pad=False)
        from_first = list(dropwhile(_is_blank, lines))
        for line in reversed(list(dropwhile(_is_blank, reversed(from_first)))):
            yield from line
            yield Segment.line()


def _is_blank(line: list[Segment]) -> bool:
    return not "".join(segment.text for segment in line).strip()
