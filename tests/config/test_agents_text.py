"""Agents written as YAML are the same agents when they are loaded again."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.agents import GENERAL, ROUTER, AgentPolicies, AgentSpec, Limits, load_agents
from config.agents_text import write_agents
from config.checkout import CHECKOUT

WORDS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\t :#-'\"{"), min_size=1, max_size=60
)


def spec(agent_id: str, **more: object) -> AgentSpec:
    plain: dict[str, object] = {"id": agent_id, "name": "A", "description": "B", "system_prompt": "C"}
    role = "router" if agent_id == ROUTER else "specialist"
    return AgentSpec.model_validate(plain | {"role": role} | more)


def reloaded(folder: Path, agents: list[AgentSpec]) -> list[AgentSpec]:
    file = folder / "agents.yaml"
    file.write_text(write_agents(agents, {"fast": ["openai:x", "ollama:y"]}), encoding="utf-8")
    return load_agents(file).agents


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exported")


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=WORDS.filter(str.strip), prompt=WORDS.filter(str.strip))
def test_whatever_its_words_are_an_agent_comes_back_the_same(folder: Path, words: str, prompt: str) -> None:
    agents = [spec(ROUTER), spec(GENERAL, description=words, system_prompt=prompt)]
    assert reloaded(folder, agents) == agents


def test_shipped_agents_come_back_the_same_and_read_well(folder: Path) -> None:
    file = load_agents(CHECKOUT / "config" / "agents.yaml")
    text = write_agents(file.agents, file.models)
    assert sorted(reloaded(folder, file.agents), key=str) == sorted(file.agents, key=str)
    assert "version" not in text
    assert "system_prompt: |" in text


def test_what_is_no_default_is_written(folder: Path) -> None:
    policies = AgentPolicies(redact=["email"], limits=Limits(steps=3))
    changed = spec("poet", model=["fast", "openai:x"], allowed_tools=["time__*"], enabled=False, policies=policies)
    assert changed in reloaded(folder, [spec(ROUTER), spec(GENERAL), changed])
