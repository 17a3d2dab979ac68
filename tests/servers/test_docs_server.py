"""The docs server as a model meets it: questions in plain words, sections with citations, no way out of its folders."""

import os
from pathlib import Path

import pytest

from tests.servers.peer import PROJECT, open_peer

pytestmark = pytest.mark.slow
"""Each test starts processes of its own."""

GUIDE = """\
Words before any heading.

# Guide

## Configuring agents

Agents live in `config/agents.yaml`. Each has an id, a role and a model.

### Models of an agent

A model is named `provider:name`.

```sh
# not a heading: a comment in a shell block
make run
```

## Backups

Copy the database while the service runs. Restoring needs a stop.

## Backups

The second section of that name.
"""
HANDBOOK = (
    "The coffee machine is on floor two.\n" * 60 + "The defibrillator hangs beside the lift.\n" + "More text.\n" * 30
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    docs = tmp_path / "guides"
    (docs / "deep").mkdir(parents=True)
    (docs / "guide.md").write_text(GUIDE)
    (docs / "deep" / "handbook.txt").write_text(HANDBOOK)
    (docs / "picture.png").write_bytes(b"\x89PNG")
    (tmp_path / "secret.md").write_text("# Secret\nxyzzy")
    (docs / "link.md").symlink_to(tmp_path / "secret.md")
    return docs


def env_of(*folders: Path) -> dict[str, str]:
    return {"DOCS_FOLDERS": os.pathsep.join(map(str, folders))}


QUESTIONS = {
    "Where is the configuration of agents documented?": "guides/guide.md#configuring-agents",
    "how do I restore a backup?": "guides/guide.md#backups",
    "Which model does an agent use": "guides/guide.md#models-of-an-agent",
    "Welche Agenten gibt es": "guides/guide.md#configuring-agents",
    "Wo hängt der defibrillator": "guides/deep/handbook.txt#L41",
    '"provider" AND (name OR* NEAR': "guides/guide.md#models-of-an-agent",
}
OUTSIDE = ["guides/../secret.md", "guides/link.md", "/etc/passwd", "guides/picture.png", "secret.md", "guides/none.md"]


async def test_a_question_in_plain_words_finds_its_section(folder: Path) -> None:
    async with open_peer("docs", env=env_of(folder)) as peer:
        found = {question: (await peer.ok("search", query=question)).split()[1] for question in QUESTIONS}
    assert found == QUESTIONS


async def test_results_carry_citation_title_and_snippet(folder: Path) -> None:
    async with open_peer("docs", env=env_of(folder)) as peer:
        assert await peer.ok("search", query="configuring agents", limit=1) == (
            "[1] guides/guide.md#configuring-agents Configuring agents:\n"
            "Agents live in `config/agents.yaml`. Each has an id, a role and a model."
        )
        nothing = await peer.ok("search", query="xyzzy")
    assert nothing == "Nothing found; try other words. Documents: guides/guide.md, guides/deep/handbook.txt"


async def test_a_section_is_read_by_citation_by_heading_and_by_words(folder: Path) -> None:
    async with open_peer("docs", env=env_of(folder)) as peer:
        by_citation = await peer.ok("read", path="guides/guide.md#configuring-agents")
        by_heading = await peer.ok("read", path="guides/guide.md", heading="Configuring agents")
        second = await peer.ok("read", path="guides/guide.md#backups-1")
        whole = await peer.ok("read", path="guides/guide.md")
        unknown = await peer.refusal("read", path="guides/guide.md", heading="Pricing")

    assert by_citation == by_heading
    assert "### Models of an agent" in by_citation
    assert "# not a heading" in by_citation
    assert "Restoring" not in by_citation
    assert second.endswith("The second section of that name.")
    assert whole.startswith("guides/guide.md\nWords before any heading.")
    assert unknown == (
        "guides/guide.md has no heading 'Pricing'; "
        "headings: guide, configuring-agents, models-of-an-agent, backups, backups-1"
    )


async def test_a_long_text_is_read_part_by_part_and_says_so(folder: Path) -> None:
    (folder / "long.txt").write_text("\n".join(f"line {n}" for n in range(1_500)))
    async with open_peer("docs", env=env_of(folder)) as peer:
        first = await peer.ok("read", path="guides/long.txt")
        last = await peer.ok("read", path="guides/long.txt", part=4)
        beyond = await peer.refusal("read", path="guides/long.txt", part=9)
    assert first.startswith("guides/long.txt (part 1 of 4)\nline 0\n")
    assert first.endswith("more characters: read part 2")
    assert last.endswith("line 1499")
    assert beyond == "guides/long.txt has 4 parts; ask for one of them"


async def test_what_changes_on_disk_is_found_at_once(folder: Path) -> None:
    async with open_peer("docs", env=env_of(folder)) as peer:
        assert "Nothing found" in await peer.ok("search", query="zeppelin")
        (folder / "new.md").write_text("# Airship\nThe zeppelin lands at noon.")
        assert "guides/new.md#airship" in await peer.ok("search", query="zeppelin")
        (folder / "new.md").write_text("# Airship\nIt left.")
        assert "Nothing found" in await peer.ok("search", query="zeppelin")
        (folder / "new.md").unlink()
        assert "Nothing found" in await peer.ok("search", query="airship")


async def test_nothing_but_documents_below_the_folders_is_read(folder: Path) -> None:
    async with open_peer("docs", env=env_of(folder)) as peer:
        refusals = [await peer.refusal("read", path=path) for path in OUTSIDE]
    assert all("documents: guides/guide.md" in refusal for refusal in refusals)


async def test_the_projects_own_documentation_is_the_default() -> None:
    async with open_peer("docs", env={}) as peer:
        tools = await peer.tools()
        sources = (await peer.ok("search", query="zzxqj")).split("Documents: ")[1]
    assert [tool.name for tool in tools] == ["search", "read"]
    assert all(tool.annotations and tool.annotations.readOnlyHint for tool in tools)
    named = {source.split("/")[0] for source in sources.split(", ")}
    assert named <= {"README.md", "docs", "none"}
    assert ("README.md" in named) == (PROJECT / "README.md").exists()


@pytest.mark.parametrize("query", ["configuration of agents", "agents configuration"])
async def test_the_first_thing_found_about_agents_is_their_page(query: str) -> None:
    """Small models ask for one result, and cite what they get."""
    async with open_peer("docs", env={}) as peer:
        assert (await peer.ok("search", query=query, limit=1)).startswith("[1] docs/agents.md#agents")
