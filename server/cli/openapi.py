"""`open-agent openapi`: the description of the API, as it is committed in `docs/openapi.json`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from server.app import build_app
from server.cli.settings import settings_or_exit

FileArgument = Annotated[Path | None, typer.Argument(help="Where to write it; without it, to standard output.")]


def openapi(file: FileArgument = None) -> None:
    """Print the OpenAPI description of the REST API, or write it to a file."""
    text = render_openapi(build_app(settings_or_exit()).openapi())
    if file is None:
        print(text, end="")
    else:
        file.write_text(text)
        print(f"Wrote {file}.")


def render_openapi(document: dict[str, object]) -> str:
    """Returns the text that is committed: stable, and readable in a diff."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
