"""Runs the notebooks from top to bottom, and writes what came out into `docs/notebooks`: `make notebooks`."""

import asyncio
import base64
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from config.checkout import CHECKOUT

FOLDER: Final = CHECKOUT / "notebooks"
RENDERED: Final = CHECKOUT / "docs" / "notebooks"
_PATIENCE: Final = 1800
"""Seconds for one cell: a first run may fetch the embedded model."""


def find_notebooks() -> list[Path]:
    return sorted(FOLDER.glob("*.ipynb"))


async def execute(path: Path, environment: Mapping[str, str], patience: int = _PATIENCE) -> NotebookNode:
    """Returns the notebook with its outputs; the file stays as it is.

    Raises:
        CellExecutionError: a cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=patience, resources={"metadata": {"path": str(path.parent)}})
    return await client.async_execute(env={**environment, "MPLBACKEND": "agg"})


def render(notebook: NotebookNode, name: str, folder: Path) -> None:
    """Writes `<name>.md` and its pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{name}*"):
        old.unlink()
    notebook_file = f"../../notebooks/{name}.ipynb"
    origin = (
        f"> What came out of [{name}.ipynb]({notebook_file}) when `make notebooks` ran it; times are of that machine."
    )
    parts = [origin]
    for cell in notebook.cells:
        parts.append(render_source(cell))
        if cell.cell_type == "code":
            parts += _outputs(cell.outputs, name, folder)
    (folder / f"{name}.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def render_source(cell: NotebookNode) -> str:
    """Returns what the cell says, without what came out of it."""
    return _moved(cell.source) if cell.cell_type == "markdown" else f"```python\n{cell.source}\n```"


def _moved(markdown: str) -> str:
    """Links lead on: to the rendered notebooks, and to files that lie one folder further away."""
    linked = markdown.replace("](../", "](../../")
    linked = re.sub(r"\]\(([\w-]+)\.ipynb\)", r"](\1.md)", linked)
    return re.sub(r"\]\((\w+\.py)\)", r"](../../notebooks/\1)", linked)


def _outputs(outputs: list[NotebookNode], name: str, folder: Path) -> list[str]:
    shown: list[str] = []
    said = "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")
    if said.strip():
        shown.append(f"```text\n{said.strip(chr(10)).rstrip()}\n```")
    for output in outputs:
        if picture := output.get("data", {}).get("image/png"):
            number = len(list(folder.glob(f"{name}-*.png"))) + 1
            (folder / f"{name}-{number}.png").write_bytes(base64.b64decode(picture))
            shown.append(f"![]({name}-{number}.png)")
    return shown


async def _render(names: Sequence[str]) -> None:
    for path in find_notebooks():
        if not names or path.stem in names:
            print(f"{path.stem} …", flush=True)
            render(await execute(path, os.environ), path.stem, RENDERED)


if __name__ == "__main__":
    asyncio.run(_render(sys.argv[1:]))
