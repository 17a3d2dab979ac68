"""From what an agent's `model:` says to models that can be asked: aliases, lists, `provider:name`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, get_args

from typing_extensions import override

from config.agents import ModelSelector
from config.settings import ModelProvider
from nodes.models.port import ModelError

DEFAULT: Final = "default"
FAST: Final = "fast"
VISION: Final = "vision"
LOCAL: Final[frozenset[ModelProvider]] = frozenset({"embedded", "ollama"})
"""Providers that cost nothing: their models run on machines of our own."""
Aliases = Mapping[str, ModelSelector | list[ModelSelector]]


@dataclass(frozen=True)
class Selected:
    """One model of one provider."""

    provider: ModelProvider
    model: str

    @override
    def __str__(self) -> str:
        return f"{self.provider}:{self.model}"


def build_selection(selectors: Sequence[str], aliases: Aliases) -> list[Selected]:
    """Returns the models that `selectors` mean, in the order in which they are to be tried, each once.

    Raises: ModelError for an alias or a provider that does not exist.
    """
    chosen = [model for selector in selectors for model in _expand(selector, aliases, ())]
    return list(dict.fromkeys(chosen))


def _expand(selector: str, aliases: Aliases, inside: tuple[str, ...]) -> list[Selected]:
    if ":" in selector:
        return [_parse(selector)]
    if selector in inside:
        raise ModelError("model_rejected", f"the model alias {selector!r} leads back to itself: see `models:`")
    if selector not in aliases:
        known = ", ".join(sorted(aliases))
        raise ModelError("model_rejected", f"there is no model {selector!r}: use provider:name or one of {known}")
    meant = aliases[selector]
    parts = meant if isinstance(meant, list) else [meant]
    return [model for part in parts for model in _expand(part, aliases, (*inside, selector))]


def _parse(selector: str) -> Selected:
    provider, _, model = selector.partition(":")
    for known in get_args(ModelProvider):
        if provider == known:
            return Selected(known, model)
    providers = ", ".join(get_args(ModelProvider))
    raise ModelError("model_rejected", f"{selector!r} names no model provider: there are {providers}")
