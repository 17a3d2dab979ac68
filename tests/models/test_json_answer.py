"""The incremental reader says, piece by piece, exactly what parsing the whole JSON would say."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.models.json_answer import AnswerReader

ANY_TEXT = st.text(st.characters(exclude_categories=[]))  # half surrogate pairs included


def _read(pieces: list[str]) -> str:
    reader = AnswerReader()
    return "".join([reader.feed(piece) for piece in pieces])


def _readable(text: str) -> str:
    """What can be sent as UTF-8: surrogate pairs as one sign, halves as the replacement sign."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@given(text=st.text(), ascii_only=st.booleans(), cuts=st.lists(st.integers(0, 200)))
def test_pieces_add_up_to_the_answer_wherever_they_are_cut(text: str, ascii_only: bool, cuts: list[int]) -> None:
    document = json.dumps({"answer": text}, ensure_ascii=ascii_only)
    edges = sorted({0, len(document), *(cut for cut in cuts if cut < len(document))})
    pieces = [document[start:end] for start, end in pairwise(edges)]
    assert _read(pieces) == text


@given(text=ANY_TEXT)
def test_every_sign_alone_gives_the_same_and_can_be_sent(text: str) -> None:
    document = json.dumps({"answer": text})
    said = _read(list(document))
    assert said == _read([document])
    said.encode()


@pytest.mark.parametrize(
    ("escaped", "read"),
    [
        (r"\ud83d\ude00", "😀"),
        (r"\ud83d", "\ufffd"),
        (r"\ude00!", "\ufffd!"),
        (r"\ud83d\ud83d\ude00", "\ufffd😀"),
        (r"\ud83dx", "\ufffdx"),
        (r"\ud83d\n", "\ufffd\n"),
        (r"\"\\\/\b\f\n\r\t\u00e9", '"\\/\b\f\n\r\té'),
    ],
)
def test_escapes_are_read_like_json(escaped: str, read: str) -> None:
    document = '{"answer": "' + escaped + '"}'
    assert _read(list(document)) == _read([document]) == read


def test_text_is_given_as_soon_as_it_is_certain() -> None:
    reader = AnswerReader()
    said = [reader.feed(piece) for piece in (' { "ans', 'wer" : "', "Hi", "\\", "n", "\\u00", "e9!", '" }', "more")]
    assert said == ["", "", "Hi", "", "\n", "", "é!", "", ""]


@pytest.mark.parametrize("document", ['{"tool": "a__b", "arguments": {"answer": "no"}}', "[]", "", "plain words"])
def test_json_without_an_answer_gives_no_text(document: str) -> None:
    assert _read(list(document)) == ""
