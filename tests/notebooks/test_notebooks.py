"""The notebooks, from top to bottom on a scripted model, as a newcomer would run them."""

import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import nbformat
import pytest
import pytest_asyncio
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from config.checkout import from_checkout
from config.prompts import load_prompt
from config.yaml_file import load_yaml
from notebooks.rendering import RENDERED, execute, find_notebooks, render, render_source
from server.cli.eval import MESSAGES, LabelledMessages
from tests.support.scripted_model import (
    Replies,
    Reply,
    ScriptedModel,
    ScriptedRequest,
    has_result,
    offers,
    open_strict_model,
    plans,
    plans_for,
    prompted,
    says,
)

NOTEBOOKS: Final = find_notebooks()
OUTPUT: Final = re.compile(r"\s*(```text\n(?:(?!\n```).)*\n```\s*)?(!\[\]\([\w-]+\.png\)\s*)*", re.DOTALL)
RIGHT_PLANS: Final = {
    labelled.message: labelled.agents for labelled in load_yaml(from_checkout(MESSAGES), LabelledMessages).messages
}


def plan_well_with_examples(request: ScriptedRequest) -> Reply:
    """Stands in for a router's model that needs its worked examples."""
    message = request.last_user.rpartition("New message: ")[2]
    shown = any(turn["role"] == "assistant" for turn in request.messages)
    chosen = RIGHT_PLANS[message] if shown else ("general",)
    if len(chosen) == 1:
        return Replies.json({"steps": [{"agent": chosen[0]}]})
    return Replies.plan([{"agent": agent, "task": message} for agent in chosen])


@pytest_asyncio.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    async with open_strict_model() as model:
        script_first_run(model)
        script_dice(model)
        script_inspection(model)
        model.when(plans, plan_well_with_examples)
        yield model


def script_first_run(model: ScriptedModel) -> None:
    model.when(plans_for("in Tokyo right now"), Replies.json({"steps": [{"agent": "tool-agent"}]}))
    model.when(has_result("Asia/Tokyo"), Replies.text("It is ", "early ", "in Tokyo."))
    model.when(says("in Tokyo right now"), Replies.tool("time__get_current_time", {"timezone": "Asia/Tokyo"}))


def script_dice(model: ScriptedModel) -> None:
    model.when(plans_for("twenty-sided"), Replies.json({"steps": [{"agent": "dice-agent"}]}))
    model.when(has_result("in sum"), Replies.text("You rolled ", "well."), Replies.text("A fine ", "roll."))
    model.when(says("two six-sided"), Replies.tool("dice__roll", {"sides": 6, "times": 2}))
    model.when(says("twenty-sided"), Replies.tool("dice__roll", {"sides": 20}))


def script_inspection(model: ScriptedModel) -> None:
    steps = [
        {"agent": "sql-agent", "task": "How many customers do we have?"},
        {"agent": "devops-agent", "task": "How much memory is free?"},
    ]
    model.when(plans_for("customers do we have"), Replies.plan(steps))
    count = {"sql": "SELECT count(*) AS customers FROM customers"}
    model.when(
        lambda r: offers("sql__query")(r) and len(r.tool_results) == 2, Replies.text("There are ", "60 customers.")
    )
    model.when(offers("sql__query"), Replies.tool("sql__query", count))
    model.when(offers("sql__schema"), Replies.tool("sql__schema"))
    model.when(lambda r: offers("devops__memory_usage")(r) and has_result()(r), Replies.text("Half ", "is free."))
    model.when(offers("devops__memory_usage"), Replies.tool("devops__memory_usage"))
    model.when(
        prompted(load_prompt("synthesis")), Replies.text("60 customers, ", "and half of the ", "memory is free.")
    )


def environment(model: ScriptedModel, folder: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "DATA_DIR": str(folder / "data"),
        "MODEL_PROVIDER": "openai",
        "DEFAULT_MODEL": "scripted",
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": model.base_url,
    }


def printed(notebook: NotebookNode) -> str:
    cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    return "".join(output.get("text", "") for cell in cells for output in cell.outputs)


def pictures(notebook: NotebookNode) -> int:
    cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    return sum("image/png" in output.get("data", {}) for cell in cells for output in cell.outputs)


EXPECTED: Final = {
    "01-first-run": (
        1,
        ["dispatch -.-> tool-agent", "time__get_current_time", "It is early in Tokyo.", "run.completed"],
    ),
    "02-your-own-agent-and-tool": (
        0,
        ["Rolls a die", "invalid_arguments", "▶ dice-agent", "A fine roll.", "version 2"],
    ),
    "03-routing": (1, ["You are the router", "as shipped", "100% right", "no examples"]),
    "04-inspecting-runs": (
        1,
        ["sql__query", "devops__memory_usage", "half of the memory", "the same ones", "completed"],
    ),
}


def test_each_notebook_is_expected() -> None:
    assert [path.stem for path in NOTEBOOKS] == list(EXPECTED)


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
async def test_the_notebook_runs_from_top_to_bottom(path: Path, model: ScriptedModel, tmp_path: Path) -> None:
    notebook = await execute(path, environment(model, tmp_path), patience=60)

    drawn, words = EXPECTED[path.stem]
    assert pictures(notebook) == drawn
    assert [word for word in words if word not in printed(notebook)] == [], printed(notebook)
    assert [found for found in ("Traceback", "Warning") if found in printed(notebook)] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_is_kept_without_outputs(path: Path) -> None:
    """What came out is in `docs/notebooks`; here it would only make noise in every diff."""
    notebook = json.loads(path.read_text())
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    kept = {(json.dumps(cell["outputs"]), cell["execution_count"], json.dumps(cell["metadata"])) for cell in cells}
    assert kept == {("[]", None, "{}")}
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_rendered_notebook_has_its_cells_and_its_pictures(path: Path) -> None:
    """After a change of a notebook: make notebooks."""
    rendered = (RENDERED / f"{path.stem}.md").read_text()
    between, rest = [], rendered
    for cell in nbformat.read(path, as_version=4).cells:
        before, found, rest = rest.partition(render_source(cell))
        assert found, f"not there, or not in its place: {cell.source}"
        between.append(before)
    origin, *outputs = [*between, rest]
    assert all(line.startswith("> ") for line in origin.strip().splitlines())
    assert [each for each in outputs if not OUTPUT.fullmatch(each)] == []
    prose = re.sub(r"^```.*?^```", "", rendered, flags=re.DOTALL | re.MULTILINE)
    links = [link for link in re.findall(r"\]\(([^)#]+)", prose) if not link.startswith("http")]
    assert [link for link in links if not (RENDERED / link).exists()] == []
    assert EXPECTED[path.stem][0] == rendered.count("![](")


def test_what_is_rendered_is_told_from_what_is_left_out(tmp_path: Path) -> None:
    """Words and pictures stay, what went to stderr does not, and links lead on from the new place."""
    cell = new_code_cell("1 + 1")
    cell.outputs = [
        new_output("stream", name="stdout", text="two\n"),
        new_output("stream", name="stderr", text="noise"),
    ]
    cell.outputs.append(new_output("display_data", {"image/png": "UE5H"}))
    render(new_notebook(cells=[new_markdown_cell("[next](02-b.ipynb), [file](../README.md)"), cell]), "01-a", tmp_path)

    _, _, rendered = (tmp_path / "01-a.md").read_text().partition("that machine.\n\n")
    assert rendered == (
        "[next](02-b.md), [file](../../README.md)\n\n```python\n1 + 1\n```\n\n```text\ntwo\n```\n\n![](01-a-1.png)\n"
    )
    assert (tmp_path / "01-a-1.png").read_bytes() == b"PNG"
