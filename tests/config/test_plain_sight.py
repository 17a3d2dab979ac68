"""What a person is asked to agree to."""

from datetime import UTC, datetime

from pydantic import JsonValue

from config.plain_sight import LONGEST_SHOWN, show_bounded, show_plainly
from mcp_config.gateway.asking import build_form
from mcp_config.tools import Caller, ToolCall
from server.cli.talk import Waits
from server.resources.approvals import Approval

PADDED: dict[str, JsonValue] = {"text": "x" * 3_000, "to": "evil\u202e\u200b@example.com"}
NOW = datetime.now(UTC)


def test_what_nobody_would_see_stands_there_as_its_number() -> None:
    assert show_plainly({"a\u200b": "b\u202ec\ud800é"}) == '{"a\\u200b": "b\\u202ec\\ud800é"}'


def test_a_cut_is_said_aloud() -> None:
    assert show_bounded({"to": "me"}) == '{"to": "me"}'
    assert show_bounded("x" * LONGEST_SHOWN).endswith("(CUT: 2 more characters; read all before you approve)")


def test_no_padding_hides_an_argument_from_who_is_asked() -> None:
    approval = Approval(
        id="appr_1",
        kind="call",
        run_id="run_1",
        step_id=None,
        call_id="call_1",
        agent="a",
        tool="mail__send",
        arguments=PADDED,
        edited=None,
        rule="r",
        status="pending",
        reason=None,
        resolved_by=None,
        created_at=NOW,
        expires_at=NOW,
        resolved_at=None,
        tool_call=None,
    )
    asked = build_form(ToolCall("call_1", "mail__send", PADDED, Caller("uma")), "r")["message"]
    for shown in (Waits("run_1", [approval]).how_to_go_on, str(asked)):
        assert '"to": "evil\\u202e\\u200b@example.com"' in shown
