"""Reading on in an artifact: by place, by lines, by words; only what the caller may read."""

import pytest

from mcp_config.local.artifact_tool import build_artifact_tool, build_excerpt
from mcp_config.tools import Caller, JsonObject, ToolResult
from tests.mcp_config.rig import open_rig

TEXT = "".join(f"line {number}\n" for number in range(1, 1001))


class Shelf:
    """One text, one picture, and both are alice's."""

    async def find_text(self, caller: Caller, artifact_id: str) -> str | None:
        if caller.owner != "alice":
            return None
        if artifact_id == "art_picture":
            raise ValueError("it is image/png, 5 bytes")
        return TEXT if artifact_id == "art_text" else None


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"lines": 2}, f"[characters 0 to 14 of {len(TEXT)}]\nline 1\nline 2\n"),
        ({"offset": 7, "lines": 1}, f"[characters 7 to 14 of {len(TEXT)}]\nline 2\n"),
        ({"offset": 999_999}, f"[characters {len(TEXT)} to {len(TEXT)} of {len(TEXT)}]\n"),
        ({"grep": "LINE 77"}, "[11 lines with 'LINE 77', from character 0 on]\n599: line 77\n"),
        ({"grep": "line 1", "lines": 2}, "[the first 2 lines with 'line 1'; go on with a larger offset]\n0: line 1\n"),
        ({"grep": "nothing"}, "[0 lines with 'nothing', from character 0 on]"),
    ],
)
def test_wanted_part_is_shown_with_its_place(wanted: JsonObject, expected: str) -> None:
    assert build_excerpt(TEXT, wanted, 32_000).startswith(expected)


def test_excerpt_never_takes_more_than_the_room() -> None:
    for text in ("ü" * 100_000, TEXT * 10, ("x" * 300 + "\n") * 1000):
        choices: list[JsonObject] = [{}, {"grep": text[:1]}, {"offset": 500}]
        for wanted in choices:
            assert len(build_excerpt(text, wanted, 1024).encode()) <= 1024


def test_match_in_one_endless_line_is_shown_with_what_lies_around_it() -> None:
    text = "x" * 100_000 + "needle" + "y" * 100_000
    shown = build_excerpt(text, {"grep": "Needle"}, 32_000)
    assert shown.splitlines()[1].startswith("100000: xxx")
    assert len(shown) < 600


async def test_artifact_is_read_down_the_governed_path_and_by_its_owner_only() -> None:
    async with open_rig() as rig:
        rig.registry.add_local(build_artifact_tool(Shelf()))
        assert [spec.name for spec in rig.registry.all()] == ["artifact__read"]
        read = await rig.call("artifact__read", artifact_id="art_text", lines=1)
        assert (read.status, read.content.splitlines()[1]) == ("ok", "line 1")
        assert rig.ledger.entries == ["started artifact__read", "ok artifact__read"]
        assert (await rig.call("artifact__read", artifact_id="art_picture")).error_code == "not_text"
        assert (await rig.call("artifact__read", artifact_id="art_text", offset=-1)).error_code == "invalid_arguments"
        stranger = await rig.by(Caller("bob", "tester")).call("artifact__read", artifact_id="art_text")
        assert stranger == ToolResult("error", "This conversation has no artifact 'art_text'.", "unknown_artifact")
