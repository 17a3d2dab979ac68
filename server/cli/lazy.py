"""A command line whose commands are imported when they are run: help and completion need none of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeAlias

from typer import Typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command
from typing_extensions import override

from server.cli.importing import importing_much

Context: TypeAlias = Any
"""Click's context and commands, which typer carries inside and does not publish."""
Command: TypeAlias = Any


@dataclass(frozen=True)
class Listed:
    """A command as help shows it, and where it is: `module:name` of a function or of a `Typer` with more below it."""

    place: str
    help: str
    panel: str


def build_lazy_group(listed: Mapping[str, Listed]) -> type[TyperGroup]:
    """Returns the class of a group that holds these commands."""

    class LazyGroup(TyperGroup):
        def __init__(self, **options: Any) -> None:  # noqa: ANN401 - typer's own, handed on
            super().__init__(**options)
            for name, entry in listed.items():
                self.add_command(TyperCommand(name, help=entry.help, rich_help_panel=entry.panel))

        @override
        def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
            name, command, rest = super().resolve_command(ctx, args)
            return name, load_command(name, listed[name]) if name else command, rest

    return LazyGroup


def load_command(name: str, entry: Listed) -> Command:
    """Imports the command and returns it, ready to be run."""
    module, _, attribute = entry.place.partition(":")
    with importing_much():
        found = getattr(import_module(module), attribute)
    if not isinstance(found, Typer):
        app = Typer(add_completion=False, rich_markup_mode="markdown")
        app.command(name)(found)
        found = app
    command = get_command(found)
    command.name = name
    return command
