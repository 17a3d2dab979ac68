"""`open-agent agents`, `tools` and `runs` against the real application."""

import json
from pathlib import Path

import pytest

from graph.events import run_events
from tests.cli.terminal import open_terminal, run, surroundings
from tests.http.serving import ADMIN_KEY, Served, ended, start_run
from tests.support.scripted_model import Replies, ScriptedModel, says
from tests.support.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


async def tools_up(served: Served) -> None:
    async with served.client(ADMIN_KEY) as client:

        async def up() -> bool:
            listed = (await client.get("/v1/tools")).json()["data"]
            return {"time", "calculator"} <= {tool["server"] for tool in listed}

        await until(up)


async def finished_run(served: Served, model: ScriptedModel) -> str:
    model.when(says("six times seven"), Replies.tool("calculator__calculate", {"expression": "6 * 7"}))
    model.when(says("six times seven"), Replies.text("It is 42."))
    async with served.client(ADMIN_KEY) as client:
        run = await start_run(client, "six times seven", "tool-agent")
        return str((await ended(client, run["id"]))["id"])


async def test_agents_are_listed_and_shown(served: Served) -> None:
    env = surroundings(served.url)
    listed, shown = await run("agents", "list", env=env), await run("agents", "show", "sql-agent", env=env)
    assert {"router", "general", "sql-agent"} <= {line.split()[0] for line in listed.out.splitlines()[1:] if line}
    assert shown.out.startswith("id          sql-agent\n")
    as_json = await run("agents", "list", "--json", env=env)
    assert "sql-agent" in [agent["id"] for agent in json.loads(as_json.out)]


async def test_agent_that_is_not_there_is_one_line_and_a_failure(served: Served) -> None:
    ran = await run("agents", "show", "nobody", env=surroundings(served.url))
    assert (ran.code, ran.out, ran.err) == (1, "", "There is no agent nobody.\n")


async def test_agents_of_a_file_are_compared_and_applied(served: Served, tmp_path: Path) -> None:
    env, file = surroundings(served.url), tmp_path / "agents.yaml"
    exported = await run("agents", "export", env=env)
    file.write_text(exported.out)
    assert (await run("agents", "diff", str(file), env=env)).code == 0
    poet = "  - id: poet\n    name: Poet\n    description: Rhymes.\n    system_prompt: You rhyme.\n"
    file.write_text(exported.out.replace("name: SQL agent", "name: Asker") + poet)

    differing = await run("agents", "diff", str(file), env=env)
    assert differing.code == 1
    said = ["poet: only in the file", "sql-agent: changed", "  name:", "    -SQL agent", "    +Asker"]
    assert differing.out.splitlines() == said
    assert (await run("agents", "apply", str(file), "--dry-run", env=env)).out == differing.out
    assert (await run("agents", "diff", str(file), env=env)).code == 1
    assert (await run("agents", "apply", str(file), env=env)).code == 0
    assert (await run("agents", "diff", str(file), env=env)).out == "Nothing differs.\n"

    file.write_text(exported.out)
    assert (await run("agents", "apply", str(file), "--prune", env=env)).code == 0
    assert (await run("agents", "export", env=env)).out == exported.out


async def test_agent_is_deleted_and_brought_back_by_what_its_versions_say(served: Served, tmp_path: Path) -> None:
    env, file = surroundings(served.url), tmp_path / "agents.yaml"
    shipped = (await run("agents", "export", env=env)).out
    for words in ("Paints.", "Paints walls."):
        painter = f"  - id: painter\n    name: Painter\n    description: {words}\n    system_prompt: You paint.\n"
        file.write_text(shipped + painter)
        assert (await run("agents", "apply", str(file), env=env)).code == 0
    deleted = await run("agents", "delete", "painter", env=env)
    assert deleted.out == "painter is deleted. To have it back: open-agent agents rollback painter 2\n"
    versions = [line.split() for line in (await run("agents", "versions", "painter", env=env)).out.splitlines()]
    assert [(line[0], line[-1]) for line in versions[2:]] == [("2", "description"), ("1", "made")]
    assert (versions[0], versions[1][-1]) == (["VERSION", "SINCE", "WHAT", "CHANGED"], "deleted")
    back = await run("agents", "rollback", "painter", "1", env=env)
    assert back.out == "painter is again what it was at version 1; that is now version 3.\n"
    assert "description Paints.\n" in (await run("agents", "show", "painter", env=env)).out
    assert (await run("agents", "delete", "router", env=env)).err == (
        "The agent router is needed for planning and cannot be deleted.\n"
    )
    assert (await run("agents", "delete", "painter", env=env)).code == 0


async def test_run_is_forked_from_a_step_by_its_number(served: Served, model: ScriptedModel) -> None:
    env, run_id = surroundings(served.url), await finished_run(served, model)
    model.when(says("seven times seven"), Replies.text("It is 49."))
    forked = await run("runs", "fork", run_id, "--step", "1", "--task", "seven times seven", env=env)
    assert (forked.code, "It is 49." in forked.out, f"forked from {run_id}" in forked.out) == (0, True, True)
    kept_short = await run("runs", "fork", run_id, "--task", "once more", "--limit", "steps=0", env=env)
    assert (kept_short.code, "steps=0 is no limit: it takes a whole number above 0" in kept_short.err) == (2, True)
    missing = await run("runs", "fork", run_id, "--step", "7", env=env)
    assert (missing.code, missing.err.splitlines()[0]) == (
        1,
        f"{run_id} has no step 7: open-agent runs show {run_id} numbers its 1 steps.",
    )


@pytest.mark.exhaustive
async def test_tools_are_listed_shown_and_called(served: Served) -> None:
    await tools_up(served)
    env = surroundings(served.url)
    assert "calculator__calculate" in (await run("tools", "list", env=env)).out
    assert "expression" in (await run("tools", "show", "calculator__calculate", env=env)).out
    called = await run("tools", "call", "calculator__calculate", "expression=6 * 7", env=env)
    assert (called.code, called.out) == (0, "42\n")
    whole = await run("tools", "call", "calculator__calculate", '{"expression": "6 * 7"}', "--json", env=env)
    assert json.loads(whole.out)["result"] == "42"


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [(["expression"], 2, "NAME=VALUE"), (["{nonsense"], 2, "JSON object"), (["nonsense=1"], 1, "expression")],
)
async def test_wrong_arguments_of_a_tool_are_told(served: Served, arguments: list[str], code: int, said: str) -> None:
    await tools_up(served)
    ran = await run("tools", "call", "calculator__calculate", *arguments, env=surroundings(served.url))
    assert ran.code == code
    assert said in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.exhaustive
async def test_runs_are_listed_shown_and_followed(served: Served, model: ScriptedModel) -> None:
    env, run_id = surroundings(served.url), await finished_run(served, model)
    assert run_id in (await run("runs", "list", env=env)).out
    shown = await run("runs", "show", run_id, env=env)
    assert "calculator__calculate expression=6 * 7  ok" in shown.out
    assert "→ It is 42." in shown.out
    tailed = await run("runs", "tail", run_id, env=env)
    assert (tailed.code, "It is 42." in tailed.out) == (0, True)


@pytest.mark.exhaustive
async def test_runs_are_json_for_scripts(served: Served, model: ScriptedModel) -> None:
    env, run_id = surroundings(served.url), await finished_run(served, model)
    assert run_id in [found["id"] for found in json.loads((await run("runs", "list", "--json", env=env)).out)]
    shown = json.loads((await run("runs", "show", run_id, "--json", env=env)).out)
    assert shown["steps"][0]["tool_calls"][0]["result"] == "42"
    lines = (await run("runs", "tail", run_id, "--json", env=env)).out.splitlines()
    assert [run_events.validate_json(line).seq for line in lines] == list(range(1, len(lines) + 1))


@pytest.mark.exhaustive
async def test_tables_fit_a_terminal_of_80_columns(served: Served, model: ScriptedModel) -> None:
    run_id = await finished_run(served, model)
    commands: list[tuple[str, ...]] = [("agents", "list"), ("tools", "list"), ("runs", "list"), ("runs", "show")]
    for arguments in commands:
        async with open_terminal(*arguments, env=surroundings(served.url)) as terminal:
            assert await terminal.left() == 0
            assert all(len(line) <= 80 for line in terminal.text.split("\r\n")), terminal.text
            assert (run_id in terminal.text) is (arguments[0] == "runs")  # whole, or it is of no use


async def test_wrong_key_says_where_to_give_the_right_one(served: Served) -> None:
    ran = await run("agents", "list", "--key", "wrong", env=surroundings(served.url))
    assert ran.code == 1
    assert "--key" in ran.err


async def test_local_key_is_not_sent_to_another_machine(served: Served) -> None:
    ran = await run(
        "agents", "list", "--url", "http://example.com", env=surroundings(API_KEYS="secret-of-this-machine")
    )
    assert ran.code == 1
    assert "OPEN_AGENT_API_KEY" in ran.err
