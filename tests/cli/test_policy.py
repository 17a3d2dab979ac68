"""`open-agent policy`: asked of the running server and of the files alone, shown, compared and set."""

import json
from pathlib import Path

import pytest

from tests.cli.terminal import run, surroundings
from tests.http.serving import Served

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

CLOCK = ("--agent", "tool-agent", "--tool", "time__get_current_time", "--args", '{"timezone": "UTC"}')


async def test_explain_says_the_same_of_the_files_and_of_the_server(served: Served) -> None:
    asked = ("policy", "explain", *CLOCK, "--json")
    online = json.loads((await run(*asked, env=surroundings(served.url))).out)
    offline = json.loads((await run(*asked, "--offline", env=surroundings())).out)
    assert (online["verdict"], online["rule"]) == (offline["verdict"], offline["rule"])
    assert online["verdict"] == "allow"
    shown = await run("policy", "explain", "--tool", "git__git_push", "--role", "user", "--offline", env=surroundings())
    assert [" ".join(line.split()) for line in shown.out.splitlines()] == [
        "verdict deny",
        "rule default",
        "reason no rule allows it",
        "passed over rules[13] (*), allow: kept away by its roles",
    ]
    wrong = await run("policy", "explain", "--tool", "x", "--args", "[", env=surroundings())
    assert (wrong.code, wrong.err.partition(":")[0]) == (2, "--args is no JSON")


async def test_policies_are_shown_compared_set_and_taken_back_to_the_file(served: Served, tmp_path: Path) -> None:
    env = surroundings(served.url)
    file, other = tmp_path / "present.yaml", tmp_path / "policies.yaml"
    file.write_text((await run("policy", "show", env=env)).out)
    assert (await run("policy", "diff", str(file), env=env)).code == 0
    other.write_text(file.read_text() + "rates: {users: {'*': 600/hour}}\n")
    compared = await run("policy", "diff", str(other), env=env)
    assert compared.code == 1
    assert "+    '*': 600/hour" in compared.out
    done = await run("policy", "set", str(other), env=env)
    assert (done.code, done.out.partition(",")[0]) == (0, "In force now: version 1")
    assert "But rules[3].match names sql__*, and no tool is called so" in done.err  # no server of the tests has it
    assert "time__*" not in done.err
    assert "600/hour" in (await run("policy", "show", env=env)).out
    assert (await run("policy", "set", str(file), env=env)).code == 0
    assert (await run("policy", "diff", str(file), env=env)).code == 0
    other.write_text("rules: [{match: '*'}]\n")
    refused = await run("policy", "set", str(other), env=env)
    assert refused.code == 2
    assert "policies.yaml:1: rules[0].verdict" in refused.err
