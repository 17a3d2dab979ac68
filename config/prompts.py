"""Prompts as files: the texts in `config/prompts/` and the router's worked examples.

They are part of the program, so each is read once. What goes into their blanks is the caller's business.
"""

from functools import cache
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from config.yaml_file import load_yaml

PROMPTS_FOLDER: Final = Path(__file__).with_name("prompts")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ExampleTurn(_Strict):
    """One turn of the conversation before the message of an example."""

    role: Literal["user", "assistant"]
    text: str = Field(min_length=1)


class ExampleStep(_Strict):
    """One step of the right plan, as a model would write it. A lone step needs no task: it is the message itself."""

    agent: str
    task: str | None = None
    depends_on: tuple[int, ...] = ()
    """Numbers of earlier steps, from 1."""


class RoutingExample(_Strict):
    """A message and its right plan, shown to the router's model."""

    message: str = Field(min_length=1)
    earlier: tuple[ExampleTurn, ...] = ()
    steps: tuple[ExampleStep, ...] = Field(min_length=1)


class _RoutingExamples(_Strict):
    examples: tuple[RoutingExample, ...]


@cache
def load_prompt(name: str) -> str:
    """Returns the text of `config/prompts/<name>.md`; `$blanks` in it are for `string.Template`."""
    return (PROMPTS_FOLDER / f"{name}.md").read_text(encoding="utf-8").strip()


@cache
def load_routing_examples() -> tuple[RoutingExample, ...]:
    """Returns the examples of `config/prompts/routing_examples.yaml` in their order."""
    return load_yaml(PROMPTS_FOLDER / "routing_examples.yaml", _RoutingExamples).examples
