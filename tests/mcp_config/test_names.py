"""Names that models can use, whatever servers call their tools."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_config.names import build_tool_name, clean_text, matches_any, may_match_prefix

SAFE = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def test_plain_names_stay_as_they_are() -> None:
    assert build_tool_name("time", "time", "get_current_time") == "time__get_current_time"
    assert build_tool_name("", "gateway", "get_current_time") == "get_current_time"


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=100), st.text(max_size=100), st.text(min_size=1, max_size=200))
def test_every_name_is_safe(prefix: str, server: str, tool: str) -> None:
    assert SAFE.fullmatch(build_tool_name(prefix, server, tool))


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80), st.text(max_size=80))
def test_changed_names_of_different_tools_differ(one: str, other: str) -> None:
    names = build_tool_name("s", "s", f"!{one}"), build_tool_name("s", "s", f"!{other}")
    assert (names[0] == names[1]) == (one == other)


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab_*?", max_size=12), st.text(alphabet="ab_", max_size=5), st.text(alphabet="ab_", max_size=8))
def test_a_server_whose_tool_matches_is_always_needed(glob: str, server: str, tool: str) -> None:
    if matches_any(f"{server}__{tool}", [glob]):
        assert may_match_prefix(glob, f"{server}__")


def test_a_server_whose_tools_cannot_match_is_not_needed() -> None:
    assert not may_match_prefix("time__*", "git__")
    assert not may_match_prefix("time", "time__")
    assert may_match_prefix("t*", "time__")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_cleaned_text_shows_all_it_holds_and_is_bounded(text: str) -> None:
    cleaned = clean_text(text, 100)
    assert len(cleaned) <= 100
    assert clean_text(cleaned, 100) == cleaned


def test_invisible_characters_are_taken_out() -> None:
    hidden = "a\u200bb\u202ec\ufeffd\U000e0041e\x1b[0mf\x00"
    assert clean_text(hidden, 100) == "abcde[0mf"
