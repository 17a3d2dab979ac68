"""`--limit`: what a run may take, as commands that start one are told it."""

from collections.abc import Sequence
from typing import Annotated

import typer

from config.agents import Limits
from config.limits_text import parse_limits
from server.cli.settings import stop_with

LimitOption = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="NAME=NUMBER",
        help="End a run that takes more: steps, tool_calls, tokens, seconds or cost_usd. May be given again.",
        show_default=False,
    ),
]


def read_limits(said: Sequence[str] | None) -> Limits | None:
    """Returns the limits; None when none were given. Ends the command with a line where one is wrong."""
    try:
        return parse_limits(said) if said else None
    except ValueError as error:
        stop_with(f"--limit: {error}.", code=2)
