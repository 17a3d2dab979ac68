"""`open-agent`, also as `python -m server.cli`."""

from typing import Annotated

import typer

from server.cli import weights
from server.cli.eval import evaluate
from server.cli.openapi import openapi
from server.cli.serve import serve
from server.version import VERSION

app = typer.Typer(
    name="open-agent",
    help="A multi-agent backend: a router plans, specialists act with MCP tools, every step can be read.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(serve)
app.command("eval")(evaluate)
app.command()(openapi)
app.add_typer(weights.app, name="model")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"open-agent {VERSION}")
        raise typer.Exit


VersionOption = Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")]


@app.callback()
def main(version: VersionOption = False) -> None:
    """Parse what stands before the command."""


if __name__ == "__main__":
    app(prog_name="open-agent")
