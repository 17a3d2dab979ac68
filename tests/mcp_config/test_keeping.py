"""What a model cannot be given is kept, and the model is told where."""

from dataclasses import dataclass, field, replace

from mcp_config.tools import ToolCall
from tests.mcp_config.rig import chaos, open_rig


@dataclass
class Cellar:
    """Keeps what it is given, up to a size."""

    most: int = 10_000_000
    kept: dict[str, tuple[str, bytes]] = field(default_factory=dict)

    async def keep(self, call: ToolCall, number: int, media_type: str, content: bytes) -> str | None:
        if len(content) > self.most:
            return None
        self.kept[f"art_{number}"] = (media_type, content)
        return f"art_{number}"


async def test_result_over_the_cap_is_kept_whole_and_its_ends_are_shown() -> None:
    cellar = Cellar()
    async with open_rig(chaos("big", "big"), artifacts=cellar) as rig:
        result = await rig.call("big__act")
    assert cellar.kept == {"art_0": ("text/plain; charset=utf-8", b"A" + b"b" * 2_000_000 + b"Z")}
    assert result.artifact_id == "art_0"
    assert result.content.startswith(
        "[The beginning and the end of 2000002 bytes, which are kept whole as artifact art_0]\nAbb"
    )
    assert result.content.endswith("bbZ")
    assert "1737858 of 2000002 bytes are left out here" in result.content


async def test_result_that_the_callers_model_has_no_room_for_is_kept_too() -> None:
    cellar = Cellar()
    async with open_rig(chaos("well"), artifacts=cellar) as rig:
        call = ToolCall("call_1", "well__echo", {"text": "x" * 5000}, rig.caller)
        cut = await rig.registry.call(replace(call, room=1000), rig.ledger)
        whole = await rig.registry.call(call, rig.ledger)
    assert (cut.artifact_id, len(cut.content) < 1300) == ("art_0", True)
    assert (whole.artifact_id, whole.content) == (None, "x" * 5000)


async def test_what_is_no_text_is_kept_and_named_in_its_place() -> None:
    cellar = Cellar()
    async with open_rig(chaos("odd", "mixed"), artifacts=cellar) as rig:
        result = await rig.call("odd__act")
    assert cellar.kept == {
        "art_1": ("image/png", b"hello"),
        "art_2": ("audio/wav", b"hello"),
        "art_3": ("application/octet-stream", b"hello"),
    }
    assert (result.artifact_id, result.blobs) == ("art_1", ())
    assert result.content.splitlines()[1:6] == [
        "[image: image/png, 5 bytes; kept as artifact art_1]",
        "[audio: audio/wav, 5 bytes; kept as artifact art_2]",
        "[resource file:///a.txt (text/plain)]",
        "inside",
        "[resource file:///a.bin (unknown type), 5 bytes; kept as artifact art_3]",
    ]


async def test_what_cannot_be_kept_is_not_promised() -> None:
    cellar = Cellar(most=3)
    async with open_rig(chaos("odd", "mixed"), chaos("big", "big"), artifacts=cellar) as rig:
        mixed, big = await rig.call("odd__act"), await rig.call("big__act")
    assert (mixed.artifact_id, big.artifact_id) == (None, None)
    assert "[image: image/png, 5 bytes; not shown here]" in mixed.content
    assert "ask for less" in big.content
