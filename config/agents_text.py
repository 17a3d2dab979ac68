"""Agents as the text of an `agents.yaml`, to be read by people and loaded again. Pure."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

import yaml
from pydantic import JsonValue
from typing_extensions import override
from yaml.representer import BaseRepresenter

from config.agents import ROUTER, AgentSpec, ModelSelector, ModelSelectors

_HEAD: Final = """\
# The agents of a registry, as `open-agent agents export` wrote them: keys that have their default are left out.
# It seeds an empty database; `open-agent agents diff` compares it with one, `open-agent agents apply` brings it there.
"""
_WIDTH: Final = 120


def _represent_text(dumper: BaseRepresenter, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


class _Dumper(yaml.SafeDumper):
    """Text of several lines as a block; no anchors, which are not taken when it is loaded."""

    yaml_representers: ClassVar = {**yaml.SafeDumper.yaml_representers, str: _represent_text}

    @override
    def ignore_aliases(self, data: object) -> bool:
        return True

    @override
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def write_agents(agents: Sequence[AgentSpec], models: Mapping[str, ModelSelector | ModelSelectors]) -> str:
    """Returns a file with these agents, the router first, and these aliases of models."""
    ordered = sorted(agents, key=lambda agent: (agent.id != ROUTER, agent.id))
    document: dict[str, object] = {"models": dict(models)} if models else {}
    document["agents"] = [_written(agent) for agent in ordered]
    return _HEAD + yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)


def _written(agent: AgentSpec) -> dict[str, JsonValue]:
    return {"id": agent.id} | agent.model_dump(mode="json", exclude={"version"}, exclude_defaults=True)
