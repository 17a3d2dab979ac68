"""What a question brings to mind: by shared words, the rare ones first."""

from server.engine.likeness import build_words, rank

TEXTS = [
    "The user's dog is called Rufus.",
    "The user prefers answers in German.",
    "The user's sister Ada lives in Lisbon.",
    "The user drinks tea.",
    "ユーザーは東京に住んでいます",
]


def _found(question: str) -> list[int]:
    return rank(build_words(question), [build_words(text) for text in TEXTS])


def test_texts_that_share_words_are_found_and_no_others() -> None:
    assert _found("What is my dog's name?") == [0]
    assert _found("where does my sister live, in Lisbon?") == [2]
    assert _found("I prefer German") == [1]
    assert _found("東京の天気は?") == [4]
    assert _found("what is the weather like?") == []
    assert _found("") == []


def test_rare_words_weigh_more_than_common_ones() -> None:
    texts = ["green tea", "green grass", "green Lisbon"]
    assert rank(build_words("green Lisbon tea"), [build_words(text) for text in texts])[-1] == 1
