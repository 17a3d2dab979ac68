"""What is known about models by name: how much they read, and whether they see images."""

from dataclasses import dataclass
from typing import Final

from config.settings import ModelProvider

EMBEDDED_CONTEXT: Final = 4096
OLLAMA_CONTEXT: Final = 8192
"""Asked for with every request: Ollama's own default cuts longer prompts off without a word."""


@dataclass(frozen=True)
class Traits:
    context_tokens: int
    sees: bool | None
    """None: nobody knows."""


_KNOWN: Final[tuple[tuple[str, Traits], ...]] = (
    ("gpt-5", Traits(272_000, sees=True)),
    ("gpt-4.1", Traits(1_000_000, sees=True)),
    ("gpt-4o", Traits(128_000, sees=True)),
    ("gpt-4-turbo", Traits(128_000, sees=True)),
    ("gpt-4", Traits(8_192, sees=False)),
    ("gpt-3.5", Traits(16_385, sees=False)),
    ("o1", Traits(128_000, sees=None)),
    ("o3-mini", Traits(200_000, sees=False)),
    ("o3", Traits(200_000, sees=True)),
    ("o4-mini", Traits(200_000, sees=True)),
)
_UNKNOWN_REMOTE: Final = Traits(32_768, sees=None)
_SEEING_OLLAMA: Final = ("llava", "bakllava", "llama3.2-vision", "llama4", "gemma3", "minicpm-v", "moondream")
_SEEING_MARKS: Final = ("-vl", "vl:", "vision")


def find_traits(provider: ModelProvider, name: str) -> Traits:
    """Returns what is known, or careful guesses for a model nobody has listed."""
    if provider == "embedded":
        return Traits(EMBEDDED_CONTEXT, sees=False)
    if provider == "ollama":
        sees = name.startswith(_SEEING_OLLAMA) or any(mark in name for mark in _SEEING_MARKS)
        return Traits(OLLAMA_CONTEXT, sees=True if sees else None)
    matches = (traits for prefix, traits in _KNOWN if name.rpartition("/")[2].startswith(prefix))
    return next(matches, _UNKNOWN_REMOTE)
