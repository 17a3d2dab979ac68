"""Pages of the documentation as programs: which of their blocks are run, and what the page says comes out."""

import asyncio
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from config.checkout import CHECKOUT

_BLOCK: Final = re.compile(r"^```(\w+)(?: (tour|file=\S+))?\n(.*?)^```", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    language: str
    role: str
    """`tour` for what is run, `file=<name>` for what is saved under that name, else empty."""
    text: str


@dataclass(frozen=True)
class PythonPage:
    """Its `python tour` blocks are one program; a `text` block right after one is what that part prints."""

    blocks: tuple[Block, ...]

    @property
    def program(self) -> str:
        return "\n".join(block.text for block in self._tour)

    @property
    def promised(self) -> str:
        """What the page shows as printed."""
        pairs = zip(self.blocks, self.blocks[1:], strict=False)
        return "".join(shown.text for run, shown in pairs if run in self._tour and shown.language == "text")

    @property
    def files(self) -> dict[str, str]:
        return {block.role.removeprefix("file="): block.text for block in self.blocks if block.role.startswith("file=")}

    @property
    def _tour(self) -> list[Block]:
        return [block for block in self.blocks if (block.language, block.role) == ("python", "tour")]


def read_page(name: str) -> PythonPage:
    text = (CHECKOUT / "docs" / name).read_text()
    return PythonPage(tuple(Block(*found) for found in _BLOCK.findall(text)))


async def run_page(page: PythonPage, folder: Path, replaced: Mapping[str, str], environment: Mapping[str, str]) -> str:
    """Saves the page's files in the folder, runs its program there, and returns what that prints."""
    program = page.program
    for old, new in replaced.items():
        program = program.replace(old, new)
    for name, text in {**page.files, "tour.py": program}.items():
        (folder / name).write_text(text)
    started = await asyncio.create_subprocess_exec(
        sys.executable, "tour.py", cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(CHECKOUT), **environment},
    )  # fmt: skip
    printed, complaints = await asyncio.wait_for(started.communicate(), 60)
    assert started.returncode == 0, printed.decode() + complaints.decode()
    return printed.decode()


def trimmed(text: str) -> list[str]:
    """The lines without blanks at their ends, which no editor keeps."""
    return [line.rstrip() for line in text.splitlines()]
