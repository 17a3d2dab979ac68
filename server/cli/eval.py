"""`open-agent eval`: how well the router routes, measured over labelled messages with the configured model."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from pydantic import BaseModel, ConfigDict, Field

from config.agents import ROUTER, AgentSpec, load_agents
from config.checkout import from_checkout
from config.errors import ConfigError
from config.prompts import ExampleTurn
from config.settings import Settings
from config.yaml_file import load_yaml
from nodes.models.catalog import open_models
from nodes.models.port import ChatModel, ModelError
from nodes.router import make_plan
from server.cli.settings import settings_or_exit, stop_with
from server.cli.weights import pull_needed_weights

MESSAGES: Final = Path("benchmarks/routing_eval.yaml")
SEVERAL: Final = "several steps"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LabelledMessage(_Strict):
    message: str = Field(min_length=1)
    agents: tuple[str, ...] = Field(min_length=1)
    """The agents of the right plan, in the order of its steps."""
    earlier: tuple[ExampleTurn, ...] = ()
    held: bool = False
    """Held out: not looked at while prompts were tuned."""

    @property
    def label(self) -> str:
        return self.agents[0] if len(self.agents) == 1 else SEVERAL


class LabelledMessages(_Strict):
    messages: tuple[LabelledMessage, ...]


@dataclass(frozen=True)
class Outcome:
    asked: LabelledMessage
    planned: tuple[str, ...]

    @property
    def right(self) -> bool:
        return self.planned == self.asked.agents


MinOption = Annotated[float, typer.Option("--min", min=0, max=1, help="The least accuracy that counts as success.")]
FileOption = Annotated[Path, typer.Option("--file", help="Other labelled messages.")]
HeldOption = Annotated[bool, typer.Option("--held", help="Only messages that no prompt was tuned with.")]


def evaluate(minimum: MinOption = 0.9, file: FileOption = MESSAGES, held: HeldOption = False) -> None:
    """Measure the accuracy of routing; fails below `--min`."""
    settings = settings_or_exit()
    try:
        agents_file = load_agents(settings.agents_file)
        labelled = load_yaml(from_checkout(file), LabelledMessages).messages
        pull_needed_weights(settings, agents_file)
        outcomes = asyncio.run(_measure_aloud(settings, [asked for asked in labelled if asked.held or not held]))
    except ConfigError as error:
        stop_with(str(error), code=2)
    except ModelError as error:
        stop_with(str(error))
    print(report(outcomes))
    if accuracy(outcomes) < minimum:
        stop_with(f"routing accuracy is below {minimum:.0%}")


async def measure(settings: Settings, labelled: Sequence[LabelledMessage]) -> AsyncIterator[Outcome]:
    """Yields one outcome for each message, in order, as the enabled agents of `agents.yaml` would be planned."""
    agents_file = load_agents(settings.agents_file)
    agents = {agent.id: agent for agent in agents_file.agents if agent.enabled}
    async with open_models(settings, agents_file) as models:
        model = models.for_agent(agents[ROUTER])
        await model.ready()
        for asked in labelled:
            yield await _route(model, agents, asked)


def accuracy(outcomes: Sequence[Outcome]) -> float:
    return sum(outcome.right for outcome in outcomes) / max(1, len(outcomes))


def report(outcomes: Sequence[Outcome]) -> str:
    """Returns accuracy by agent and in all."""
    asked = Counter(outcome.asked.label for outcome in outcomes)
    right = Counter(outcome.asked.label for outcome in outcomes if outcome.right)
    lines = [
        f"{label:<16}{right[label]:>4} of {total:>3}  {right[label] / total:>6.1%}" for label, total in asked.items()
    ]
    total = f"{'routing accuracy':<16}{right.total():>4} of {asked.total():>3}  {accuracy(outcomes):>6.1%}"
    return "\n".join([*lines, total])


async def _measure_aloud(settings: Settings, labelled: Sequence[LabelledMessage]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    async for outcome in measure(settings, labelled):
        outcomes.append(outcome)
        if not outcome.right:
            wanted, got = (" + ".join(agents) for agents in (outcome.asked.agents, outcome.planned))
            print(f"wrong: {outcome.asked.message[:100]!r} needs {wanted}, was planned for {got}", flush=True)
    return outcomes


async def _route(model: ChatModel, agents: Mapping[str, AgentSpec], asked: LabelledMessage) -> Outcome:
    spoken: list[AnyMessage] = [
        HumanMessage(turn.text) if turn.role == "user" else AIMessage(turn.text) for turn in asked.earlier
    ]
    steps, _ = await make_plan(model, agents, [*spoken, HumanMessage(asked.message)])
    return Outcome(asked, tuple(step["agent"] for step in steps))
