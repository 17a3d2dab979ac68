"""What the redactor hides, what it leaves alone, and that pieces are treated like the whole."""

import asyncio
import base64
import json
import re
from collections.abc import Callable
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from config.agents import Redaction
from config.findings import Finding, merge, replaced
from config.held_text import HeldText
from config.personal_data import PERSONAL
from config.redaction import Redactor
from config.secret_forms import build_forms, build_marks, build_wrapped
from config.secret_patterns import FIELDS, HIDDEN, REACH, SECRETS, Pattern
from mcp_config.calls.long_redaction import LongRedaction

SECRET = 'canary/Secret+value=42 "ü" x'
KINDS: tuple[Redaction, ...] = ("email", "phone", "card", "iban", "ip")
REDACTOR = Redactor([SECRET, "s3cret-of-the-house", "postgres"])
FORMS = build_forms(SECRET) | build_forms("s3cret-of-the-house")
PIECE = 16 * 1024
ENCODED = {
    "raw": SECRET,
    "JSON": json.dumps(SECRET)[1:-1],
    "JSON in JSON": json.dumps(json.dumps(SECRET))[3:-3],
    "URL": quote(SECRET, safe=""),
    "URL twice": quote(quote(SECRET)),
    "hex": SECRET.encode().hex(),
    "HEX": SECRET.encode().hex().upper(),
}
SHOWN = {
    "Authorization: Bearer abcdefghij1234567890": "Authorization: Bearer [hidden]",
    "Basic dXNlcjpwYXNzMTIzNDU2Nw==": "Basic [hidden]",
    "key sk-proj-abcdef1234567890 end": "key [hidden] end",
    f"ghp_{'a1' * 15}": "[hidden]",
    "AKIAABCDEFGHIJKLMNOP ok": "[hidden] ok",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nafter": "[hidden]\nafter",
    "-----BEGIN PRIVATE KEY-----\\nMIIE": "[hidden]",
    "postgresql://app:hunter2@db/app": "postgresql://app:[hidden]@db/app",
    "eyJhbGciOi.eyJzdWIiOi.sigsigsig. End": "[hidden]. End",
    '{"password": "hey there", "accessToken": "q"}': '{"password": "[hidden]", "accessToken": "[hidden]"}',
    "mail bob.smith+x@example.co.uk.": "mail [email].",
    "card 4111 1111-1111 1111, ok": "card [card], ok",
    "DE89 3704 0044 0532 0130 00 AND MORE": "[iban] AND MORE",
    "GB82WEST12345698765432.": "[iban].",
    "at 10.0.0.12. and 2001:db8::1": "at [ip]. and [ip]",
    "call +49 30 1234567 or (555) 123-4567 or 030 1234567": "call [phone] or [phone] or [phone]",
}
LEFT_ALONE = [
    "a basic understanding of bearer authentication",
    "sk-learn-preprocessing-utils",
    "see https://example.com:8080/a@b",
    '{"next_page_token": "abc", "key": "title", "max_tokens": "12"}',
    "card 4111 1111 1111 1112",
    "on 2024-01-15 or 01-02-2024 at 12:30:45, order 123456789, version 1.2.3, std::vector, a::b",
    "postgres is a database",
    "AB12 CDEF GHIJ KLMN OPQR",
]


@pytest.mark.parametrize("form", ENCODED.values(), ids=ENCODED)
def test_a_known_secret_is_hidden_in_every_encoding(form: str) -> None:
    assert REDACTOR.text(f"before {form} after") == "before [hidden] after"


@pytest.mark.parametrize("before", range(3))
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_is_hidden_wherever_the_secret_lies_in_it(before: int, encode: Callable[[bytes], bytes]) -> None:
    encoded = encode(b"u" * before + SECRET.encode() + b":rest").decode()
    shown = REDACTOR.text(encoded)
    assert "[hidden]" in shown
    assert len(shown) < len("[hidden]") + 4 * (before + len(":rest"))


@pytest.mark.parametrize(("text", "shown"), SHOWN.items())
def test_what_looks_like_a_secret_is_hidden(text: str, shown: str) -> None:
    assert REDACTOR.text(text, KINDS, fields=True) == shown
    assert REDACTOR.text(shown, KINDS, fields=True) == shown


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_ordinary_words_are_left_alone(text: str) -> None:
    assert REDACTOR.text(text, KINDS, fields=True) == text


def test_personal_data_is_hidden_only_where_that_is_asked_for() -> None:
    text = "bob@example.com, 10.0.0.1, 4111 1111 1111 1111"
    assert REDACTOR.text(text) == text
    assert REDACTOR.text(text, ["ip"]) == "bob@example.com, [ip], 4111 1111 1111 1111"


def test_fields_that_are_called_like_secrets_are_hidden() -> None:
    given: JsonValue = {
        "to": "ann",
        "auth": {"password": "x", "api-key": "y", "token_count": 3},
        "notes": [{"cookie": "z"}],
    }
    hidden = {"password": "[hidden]", "api-key": "[hidden]", "token_count": 3}
    assert REDACTOR.value(given) == {"to": "ann", "auth": hidden, "notes": [{"cookie": "[hidden]"}]}


def test_a_known_secret_in_a_field_leaves_the_field_standing() -> None:
    text = '{"A": "b", "password": "s3cret-of-the-house", "url": "db://app:s3cret-of-the-house@db"}'
    shown = '{"A": "b", "password": "[hidden]", "url": "db://app:[hidden]@db"}'
    assert REDACTOR.text(text, fields=True) == shown


def test_a_long_field_is_hidden_to_its_end() -> None:
    assert REDACTOR.text(json.dumps({"token": "x " * 9_000, "a": 1}), fields=True) == '{"token": "[hidden]", "a": 1}'


WORDS = st.sampled_from([SECRET, *SHOWN, "s3cret-of-the-house", "a", 'b"', "it's 'token': 'x", "\\", "\n", "{", ""])
NAMES = st.sampled_from(["password", "api-key", "note", "my_token", "s3cret-of-the-house", "a 'b'"])
DATA = st.recursive(
    WORDS | st.sampled_from([None, True, 1.5, 7, 4111111111111111]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(data=st.dictionaries(NAMES, DATA, max_size=4), apart=st.sampled_from([None, 2]))
def test_what_is_json_stays_json(data: dict[str, JsonValue], apart: int | None) -> None:
    shown = asyncio.run(LongRedaction(REDACTOR, KINDS).text(json.dumps(data, indent=apart)))
    assert isinstance(json.loads(shown), dict)
    assert "s3cret" not in shown and "4111" not in shown and "canary" not in shown


def test_a_file_is_searched_as_bytes() -> None:
    assert REDACTOR.content(b"\xff\xfe s3cret-of-the-house \x00") == b"\xff\xfe [hidden] \x00"


@settings(max_examples=60, deadline=None)
@given(
    text=st.lists(
        st.sampled_from([*ENCODED.values(), *SHOWN, *LEFT_ALONE, " ", "\n", "s", "s3cret", "-", "://", "é"]), max_size=5
    ).map(" ".join),
    cuts=st.lists(st.integers(0, 400), max_size=12),
)
def test_a_text_in_pieces_is_redacted_like_the_whole(text: str, cuts: list[int]) -> None:
    held = HeldText(REDACTOR, KINDS, fields=True)
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    shown = "".join(held.feed(text[start:end]) for start, end in pairwise(places)) + held.end()
    assert shown == REDACTOR.text(text, KINDS, fields=True)


@settings(max_examples=60, deadline=None)
@given(
    text=st.lists(
        st.sampled_from([*ENCODED.values(), *SHOWN, *LEFT_ALONE, '"token": "x ', " ", "\n", "s3cret", "-", "://", "é"]),
        max_size=6,
    ).map(" ".join),
    seams=st.lists(st.integers(0, 400), max_size=12),
)
def test_a_text_gone_through_in_pieces_shows_what_the_whole_does(text: str, seams: list[int]) -> None:
    passage = REDACTOR.passage(text, KINDS, fields=True)
    found = [finding for seam in [*sorted(seams), len(text)] for finding in passage.go_on(min(seam, len(text)))]
    assert found == find_in_whole(text)
    assert replaced(text, found) == REDACTOR.text(text, KINDS, fields=True)


def find_in_whole(text: str) -> list[Finding]:
    """Looks for each pattern by itself, as it is written down, in all of the text."""
    known = re.compile("|".join(map(re.escape, sorted(FORMS, key=len, reverse=True))))
    found = [Finding(match.start(), match.end(), "[hidden]", match.start()) for match in known.finditer(text)]
    for pattern in (*FIELDS.values(), *SECRETS.values(), *PERSONAL.values()):
        for match in re.finditer(pattern.source, text):
            if (hidden := pattern.hidden(match.group())) is not None:
                start, end = match.start() + hidden.start, match.start() + hidden.stop
                found.append(Finding(start, end, pattern.instead, match.start()))
    return merge(found)


@pytest.mark.parametrize("sample", [*ENCODED.values(), *SHOWN, '"cookie": "' + "c " * 9_000 + '"'])
def test_nothing_is_missed_where_the_pieces_of_a_long_text_meet(sample: str) -> None:
    for before in (PIECE - len(sample) // 2, PIECE - 2):
        text = f"{'. ' * (before // 2)} {sample} {'. ' * 1_000}"
        assert asyncio.run(LongRedaction(REDACTOR, KINDS).text(text)) == replaced(text, find_in_whole(text))


@settings(max_examples=60, deadline=None)
@given(DATA)
@example({"numbers": [1.5], "key": "-----BEGIN PRIVATE KEY-----\\nMIIE"})
def test_long_data_is_redacted_like_short_data(data: JsonValue) -> None:
    for kinds in ((), KINDS):
        assert asyncio.run(LongRedaction(REDACTOR, kinds).value(data)) == REDACTOR.value(data, kinds)


@pytest.mark.parametrize("pattern", [*FIELDS.values(), *SECRETS.values(), *PERSONAL.values()])
def test_a_pattern_begins_with_a_head_of_bounded_length(pattern: Pattern) -> None:
    assert re._parser.parse(pattern.head).getwidth()[1] < REACH - 100  # type: ignore[attr-defined, unused-ignore]  # no other tells


@settings(max_examples=30, deadline=None)
@given(st.text(min_size=6, max_size=20) | st.sampled_from([SECRET, "a-b-c-d-e", "https://u:pass/word@h"]))
def test_every_form_of_a_secret_has_one_of_its_marks(secret: str) -> None:
    marks = build_marks(secret)
    assert all(any(mark in form for mark in marks) for form in build_forms(secret))


@pytest.mark.parametrize("form", ENCODED.values(), ids=ENCODED)
def test_a_secret_cut_anywhere_does_not_slip_through(form: str) -> None:
    for cut in range(1, len(form)):
        held = HeldText(REDACTOR)
        shown = held.feed(f"it is {form[:cut]}") + held.feed(f"{form[cut:]}, he said") + held.end()
        assert shown == "it is [hidden], he said"


def test_ordinary_words_are_not_held_back() -> None:
    held = HeldText(REDACTOR)
    words = [" The", " quick", " brown", " fox", " jump", "ed", "."]
    assert [held.feed(word) for word in words] == words


def test_what_is_held_back_is_bounded() -> None:
    held, key = HeldText(REDACTOR), "-----BEGIN PRIVATE KEY-----"
    shown = held.feed(key) + "".join(held.feed("MIIE" * 64) for _ in range(64)) + held.feed("-----END PRIVATE KEY-----")
    assert shown + held.feed("\nafter") + held.end() == "[hidden]\nafter"
    assert len(held.feed("eyJ" + "a" * 10_000)) > 5_000


def test_what_takes_the_place_of_a_secret_is_hidden_in_its_place() -> None:
    redactor = Redactor(["the-first-of-all"])
    redactor.know("login", ["access-of-today"])
    assert redactor.text("the-first-of-all access-of-today") == f"{HIDDEN} {HIDDEN}"
    redactor.know("login", ["access-of-tomorrow"])
    assert redactor.text("the-first-of-all access-of-today access-of-tomorrow") == f"{HIDDEN} access-of-today {HIDDEN}"


@pytest.mark.parametrize("width", [60, 64, 76])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
async def test_base64_in_lines_lets_nothing_through(width: int, end: str) -> None:
    whole = LongRedaction(REDACTOR, ())
    for before in range(0, 60, 7):
        encoded = base64.b64encode(b"." * before + SECRET.encode() + b"." * 900).decode()
        text = end.join(encoded[place : place + width] for place in range(0, len(encoded), width))
        held = HeldText(REDACTOR)
        streamed = "".join(held.feed(text[place : place + 5]) for place in range(0, len(text), 5)) + held.end()
        content = REDACTOR.content(text.encode()).decode()
        for shown in (REDACTOR.text(text), streamed, await whole.text(text), content):
            assert HIDDEN in shown
            assert not any(form in "".join(shown.split()) for form in build_wrapped(SECRET))
