"""`open-agent model pull`, and the same in the foreground of a first `serve`: the embedded model's weights."""

from collections.abc import Iterator

import typer

from config.agents import AgentsFile
from config.settings import Settings
from nodes.models.embedded.platform_check import find_obstacle
from nodes.models.embedded.progress import open_meter
from nodes.models.embedded.pull import pull_weights
from nodes.models.embedded.weights import QWEN_CODER, WeightsError
from server.cli.settings import settings_or_exit, stop_with

app = typer.Typer(
    help="The embedded model that answers when no other is configured.", no_args_is_help=True, add_completion=False
)


@app.callback()
def _model() -> None:
    pass


@app.command()
def pull() -> None:
    """Fetch the embedded model's weights (1.1 GB) if they are not here; goes on where it was broken off."""
    settings = settings_or_exit()
    pull_or_exit(settings)
    print(f"The embedded model is in {settings.model_dir}.")


def pull_needed_weights(settings: Settings, agents: AgentsFile) -> None:
    """Fetches the weights if any agent's model is the embedded one."""
    if any(selector.startswith("embedded:") for selector in _selectors(agents, settings.default_selector)):
        pull_or_exit(settings, as_log=settings.log_format == "json")


def pull_or_exit(settings: Settings, *, as_log: bool = False) -> None:
    if obstacle := find_obstacle():
        stop_with(obstacle)
    try:
        with open_meter(as_log=as_log) as meter:
            pull_weights(QWEN_CODER, settings.model_dir, meter)
    except WeightsError as error:
        stop_with(str(error))


def _selectors(agents: AgentsFile, default: str) -> Iterator[str]:
    """Yields what the agents' selectors stand for, aliases resolved."""
    aliases = {"default": default, **agents.models}
    for agent in agents.agents:
        for selector in agent.selectors:
            meant = aliases.get(selector, selector)
            yield from [meant] if isinstance(meant, str) else meant
