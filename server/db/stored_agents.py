"""Agents as rows hold them. Earlier versions took what is refused today: blank texts, endless lists. Such an agent is
read with the nearest thing that is allowed, so that no start and no run breaks on it."""

import json
from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy import Dialect
from typing_extensions import override

from config.agents import AgentSpec
from server.db.columns import JsonOf

_MOST_MODELS: Final = 8
_MOST_TOOLS: Final = 500
_IN_PLACE_OF_BLANK: Final = {
    "description": "(It has no description.)",
    "system_prompt": "You are a helpful assistant.",
}


class StoredAgent(JsonOf):
    """An agent as JSON."""

    cache_ok = True

    def __init__(self) -> None:
        super().__init__(AgentSpec)

    @override
    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # Any: as it inherits it
        try:
            return super().process_result_value(value, dialect)
        except ValidationError:
            if value is None:
                raise
            return AgentSpec.model_validate(mend(json.loads(value)))


def find_flaws(text: str) -> list[str]:
    """Returns the keys of a stored agent that are read as something else."""
    stored = json.loads(text)
    return [key for key, value in mend(stored).items() if stored.get(key) != value]


def mend(stored: dict[str, Any]) -> dict[str, Any]:  # Any: an agent's JSON, before anybody has looked at it
    words = {"name": stored["id"], **_IN_PLACE_OF_BLANK}
    mended = {**stored, **{key: words[key] for key in words if not str(stored.get(key) or "").strip()}}
    if isinstance(models := stored.get("model"), list):
        mended["model"] = models[:_MOST_MODELS] or "default"
    if len(tools := stored.get("allowed_tools") or []) > _MOST_TOOLS:
        mended["allowed_tools"] = tools[:_MOST_TOOLS]
    return mended
