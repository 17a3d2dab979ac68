"""`open-agent`, also as `python -m server.cli`. Only the command that is asked for is imported."""

from collections.abc import Mapping
from typing import Annotated, Final

import typer

from server.cli.lazy import Listed, build_lazy_group
from server.version import VERSION

_TALK: Final = "Talk to a running server"
_RUN: Final = "Run a server"
_WORK: Final = "Work on it"

COMMANDS: Final[Mapping[str, Listed]] = {
    "chat": Listed(
        "server.cli.chat:chat", "Ask, and see the plan, the steps and the tool calls as they happen.", _TALK
    ),
    "runs": Listed("server.cli.runs:app", "What runs did: their plan, steps and tool calls.", _TALK),
    "agents": Listed(
        "server.cli.agents:app", "The agents that answer: what they are and were, and keeping them in a file.", _TALK
    ),
    "tools": Listed(
        "server.cli.tools:app",
        "The tools that agents use, calling one by hand, approving their definitions, logging in to servers.",
        _TALK,
    ),
    "policy": Listed(
        "server.cli.policy:app", "The rules for tool calls: what they are, and what they say of a call.", _TALK
    ),
    "approvals": Listed("server.cli.approvals:app", "Tool calls that wait for a person, and answering them.", _TALK),
    "serve": Listed(
        "server.cli.serve:serve", "Start the server and print its address, the API key and a line to try it with.", _RUN
    ),
    "gateway": Listed(
        "server.cli.gateway:gateway", "Serve only the tools, to MCP clients: /mcp, /mcp/{server} and health.", _RUN
    ),
    "doctor": Listed("server.cli.doctor:doctor", "Check the set-up, and say what to mend.", _RUN),
    "token": Listed("server.cli.token:app", "API keys: made, listed, revoked.", _RUN),
    "model": Listed("server.cli.weights:app", "The embedded model that answers when no other is configured.", _RUN),
    "connect": Listed("server.cli.connect:connect", "Put the pipe into a running Open WebUI, ready to chat.", _RUN),
    "prune": Listed(
        "server.cli.prune:prune", "Remove what is past its time: ended runs, temporary chats, old keys.", _RUN
    ),
    "eval": Listed("server.cli.eval:evaluate", "Measure the accuracy of routing; fails below `--min`.", _WORK),
    "openapi": Listed(
        "server.cli.openapi:openapi", "Print the OpenAPI description of the REST API, or write it to a file.", _WORK
    ),
}
"""All commands, in the order of the help. What help says is held equal to what each says of itself by a test."""

app = typer.Typer(
    name="open-agent",
    cls=build_lazy_group(COMMANDS),
    help="""A multi-agent backend: a router plans, specialists act with MCP tools, every step can be read.

Start with `open-agent serve` (or `make run`); then, in another terminal: `open-agent chat`.""",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"open-agent {VERSION}")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
]


@app.callback()
def main(version: VersionOption = False) -> None:
    """Parse what stands before the command."""


if __name__ == "__main__":
    app(prog_name="open-agent")
