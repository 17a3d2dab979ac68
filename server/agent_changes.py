"""Changes of an agent as clients ask for them: a merge patch, and the version they have seen. Pure."""

from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue, ValidationError

from config.agents import AgentSpec
from config.json_pointer import build_pointer
from config.model_flaws import find_flaws
from server.errors import Conflict, Invalid

_FIXED: Final = ("id", "role")


def build_changed(present: AgentSpec, patch: Mapping[str, JsonValue]) -> AgentSpec:
    """Returns the agent with the keys that `patch` names changed (RFC 7396: null takes a key back to its default).

    Raises:
        Invalid: it would not be valid; the pointer says where.
    """
    before = present.model_dump(mode="json")
    for fixed in _FIXED:
        if patch.get(fixed, before[fixed]) != before[fixed]:
            raise Invalid("agent_invalid", f"An agent's `{fixed}` cannot be changed.", pointer=f"/{fixed}")
    merged = _merged(before, {key: value for key, value in patch.items() if key != "version"})
    try:
        return AgentSpec.model_validate(merged)
    except ValidationError as error:
        first = find_flaws(merged, error.errors(include_url=False))[0]
        detail = f"The agent would not be valid: {first.detail}."
        raise Invalid("agent_invalid", detail, pointer=build_pointer(first.path)) from error


def seen_version(patch: Mapping[str, JsonValue]) -> int | None:
    """Returns the version that the patch was made for, if it says so. Raises: Invalid, when that is no number."""
    version = patch.get("version")
    if version is not None and (not isinstance(version, int) or isinstance(version, bool)):
        raise Invalid("agent_invalid", "`version` is the number of the version you have seen.", pointer="/version")
    return version


def check_version(present: AgentSpec, seen: int | None) -> None:
    """Raises: Conflict, when the agent is no longer what the caller has seen."""
    if seen is not None and seen != present.version:
        detail = f"The agent {present.id} has changed: it is at version {present.version}, not {seen}. Read it again."
        raise Conflict("agent_changed", detail)


def _merged(target: JsonValue, patch: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value) if isinstance(value, dict) else value
    return merged
