"""What `open-agent` says of itself, and how soon."""

import time

import psutil
import pytest

from server.cli.__main__ import COMMANDS
from server.cli.lazy import load_command
from server.version import VERSION
from tests.cli.terminal import run, surroundings


async def test_help_lists_every_command_without_importing_any() -> None:
    ran = await run("--help", env=surroundings(PYTHONPROFILEIMPORTTIME="1"))
    imported = {line.rpartition("|")[2].strip() for line in ran.err.splitlines()}
    assert "server.cli.lazy" in imported
    assert imported.isdisjoint({"httpx", "fastapi", "langgraph", "sqlalchemy", "pydantic"})
    for name, command in COMMANDS.items():
        assert name in ran.out
        assert command.help.split()[0] in ran.out


async def test_help_comes_at_once() -> None:
    def children() -> float:
        spent = psutil.Process().cpu_times()
        return spent.children_user + spent.children_system

    before, began = children(), time.monotonic()
    await run("--help", env=surroundings())
    # CPU, not the clock: the machine may be busy
    assert children() - before < 1.0, time.monotonic() - began


async def test_version_is_printed() -> None:
    assert (await run("--version", env=surroundings())).out == f"open-agent {VERSION}\n"


async def test_misspelt_command_is_answered_with_a_guess() -> None:
    ran = await run("doctro", env=surroundings())
    assert ran.code == 2
    assert "doctor" in ran.err


@pytest.mark.slow
async def test_shell_completes_commands_and_what_is_below_them() -> None:
    completing = {"_OPEN_AGENT_COMPLETE": "complete_bash", "COMP_CWORD": "1"}
    first = await run(env=surroundings(**completing, COMP_WORDS="open-agent do"))
    assert first.out.split() == ["doctor"]
    completing["COMP_CWORD"] = "2"
    below = await run(env=surroundings(**completing, COMP_WORDS="open-agent runs "))
    assert below.out.split() == ["list", "show", "tail", "cancel", "fork"]


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_of_each_command_what_it_says_itself(name: str) -> None:
    command = load_command(name, COMMANDS[name])
    assert (command.help or "").split("\n\n")[0].replace("\n", " ") == COMMANDS[name].help
