"""Making text fit a model's context: a cautious count of tokens, and cuts that keep beginning and end. Pure."""

import json
from collections.abc import Sequence
from typing import Any, Final

from langchain_core.messages import AIMessage, AnyMessage

from mcp_config.tools import ToolSpec

ROOMY: Final = 16_000
"""Tokens of context. A model with less, shown more than its task and its own tools, loses its way and uses no tool."""
_BYTES_PER_TOKEN: Final = 3
"""English has about four and Chinese three: a guess on the safe side, since tokenizers differ by model."""
_MESSAGE_OVERHEAD: Final = 6
_PICTURE_TOKENS: Final = 1000
_PICTURES: Final = frozenset({"image", "image_url", "input_image"})
_SMALLEST_CUT: Final = 40


def count_tokens(text: str) -> int:
    return len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN + 1


def bytes_of(tokens: int) -> int:
    """Returns how many bytes of text are counted as so many tokens."""
    return tokens * _BYTES_PER_TOKEN


def count_message(message: AnyMessage) -> int:
    pictures = len(pictures_of(message))
    calls = json.dumps([call["args"] for call in message.tool_calls]) if isinstance(message, AIMessage) else ""
    return count_tokens(message.text) + count_tokens(calls) + pictures * _PICTURE_TOKENS + _MESSAGE_OVERHEAD


def count_tools(specs: Sequence[ToolSpec]) -> int:
    return sum(count_tokens(f"{spec.name}{spec.description}{json.dumps(spec.model_schema)}") for spec in specs)


def pictures_of(message: AnyMessage) -> list[dict[str, Any]]:
    """Returns the message's image blocks; their inner keys are the provider's own, hence `Any`."""
    blocks = [] if isinstance(message.content, str) else message.content
    return [block for block in blocks if isinstance(block, dict) and block.get("type") in _PICTURES]


def cut(text: str, tokens: int) -> str:
    """Returns the text if it fits, else its beginning and end with a word about what is missing."""
    if count_tokens(text) <= tokens:
        return text
    room = max(tokens, _SMALLEST_CUT) - count_tokens(_gap(len(text)))
    keep = len(text) * room // count_tokens(text)
    while keep > 1 and count_tokens("".join(_ends(text, keep))) > room:
        keep = keep * 9 // 10
    head, tail = _ends(text, keep)
    return head + _gap(len(text) - len(head) - len(tail)) + tail


def cut_together(texts: Sequence[str], tokens: int) -> list[str]:
    """Returns the texts so that they fit together: the short ones whole, the long ones cut to equal size."""
    sizes = sorted(count_tokens(text) for text in texts)
    share = max(_SMALLEST_CUT, tokens)
    for index, size in enumerate(sizes):
        share = max(_SMALLEST_CUT, tokens // (len(sizes) - index))
        if size > share:
            break
        tokens -= size
    return [cut(text, share) for text in texts]


def _ends(text: str, keep: int) -> tuple[str, str]:
    """The beginning gets two thirds: there a text says what it is."""
    return text[: keep - keep // 3], text[len(text) - keep // 3 :]


def _gap(characters: int) -> str:
    return f"\n[… {characters} characters left out …]\n"
