"""Which model an agent gets: aliases, fallbacks, images, and what is said when none can be used."""

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from config.settings import load_settings
from nodes.models.catalog import Models, open_models
from nodes.models.port import ModelError, StructuredReply, TextDelta, Usage
from tests.models.chats import GREETING, agents_file, fail, general, hear, opened
from tests.support.scripted_model import Replies, ScriptedModel
from tests.support.waiting import PATIENCE


async def _name(model: str | list[str], aliases: dict[str, Any] | None = None, *, images: bool = False) -> str:
    agents = agents_file(aliases, model)
    settings = load_settings(None, model_provider="openai", openai_api_key="sk-x", default_model="gpt-5-mini")
    async with open_models(settings, agents) as models:
        return models.for_agent(agents.agents[1], images=images).name


@pytest.mark.parametrize(
    ("model", "aliases", "name"),
    [
        ("default", {}, "openai:gpt-5-mini"),
        ("ollama:qwen3:8b", {}, "ollama:qwen3:8b"),
        ("fast", {"fast": "openai:nano"}, "openai:nano"),
        ("strong", {"strong": ["openai:gpt-5", "fast"], "fast": "ollama:qwen3"}, "openai:gpt-5, ollama:qwen3"),
        (["default", "openai:gpt-5-mini"], {}, "openai:gpt-5-mini"),
        (["azure:gpt-5", "ollama:qwen3"], {}, "ollama:qwen3"),
        ("embedded:qwen2.5-coder-1.5b", {}, "embedded:qwen2.5-coder-1.5b"),
    ],
)
async def test_selectors_lead_to_models(model: str | list[str], aliases: dict[str, Any], name: str) -> None:
    assert await _name(model, aliases) == name


@pytest.mark.parametrize(
    ("model", "aliases", "words"),
    [
        ("fsat", {"fast": "openai:nano"}, "no model 'fsat': use provider:name or one of default, fast"),
        ("openay:gpt-5", {}, "names no model provider: there are embedded, openai, azure, ollama"),
        ("a", {"a": "b", "b": "a"}, "leads back to itself"),
        ("azure:gpt-5", {}, "azure:gpt-5 needs AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY"),
        ("embedded:llama", {}, "the embedded model is embedded:qwen2.5-coder-1.5b"),
    ],
)
async def test_model_that_cannot_be_used_says_what_to_configure(
    model: str, aliases: dict[str, Any], words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        await _name(model, aliases)


@pytest.mark.parametrize(
    ("model", "aliases", "name"),
    [
        ("openai:gpt-5", {"vision": "ollama:llava"}, "openai:gpt-5"),
        ("openai:gpt-3.5-turbo", {"vision": "ollama:llava"}, "ollama:llava"),
        (["openai:gpt-3.5-turbo", "openai:gpt-5"], {"vision": "ollama:llava"}, "openai:gpt-5"),
        ("ollama:qwen3", {"vision": "ollama:llava"}, "ollama:llava"),
        ("ollama:qwen3", {}, "ollama:qwen3"),
    ],
)
async def test_images_choose_a_model_that_sees(model: str | list[str], aliases: dict[str, Any], name: str) -> None:
    assert await _name(model, aliases, images=True) == name


async def test_images_for_a_blind_model_say_what_to_configure() -> None:
    with pytest.raises(ModelError, match="cannot see images: name a model that can as `vision`"):
        await _name("embedded:qwen2.5-coder-1.5b", images=True)


async def test_next_model_answers_when_the_first_fails_before_a_word(scripted_model: ScriptedModel) -> None:
    scripted_model.answer(Replies.error(500, "down"), Replies.text("from the second"))
    async with _two(scripted_model) as models:
        assert (await hear(general(models, TWO))).text == ["from the second"]
    assert [request.body["model"] for request in scripted_model.requests] == ["first", "second"]


async def test_failure_after_the_first_word_is_final(scripted_model: ScriptedModel) -> None:
    scripted_model.answer(Replies.text("so far", "lost").reset(after=1))
    async with _two(scripted_model) as models:
        stream = aiter(general(models, TWO).stream(GREETING))
        assert await anext(stream) == TextDelta("so far")
        with pytest.raises(ModelError):
            await anext(stream)


async def test_last_failure_is_told(scripted_model: ScriptedModel) -> None:
    scripted_model.answer(Replies.error(500, "down"), Replies.error(429, "quota"))
    async with _two(scripted_model) as models:
        assert "quota" in str(await fail(general(models, TWO)))


async def test_structured_reply_falls_back_too(scripted_model: ScriptedModel) -> None:
    scripted_model.answer(Replies.text("no json"), Replies.json({"a": 1}))
    async with _two(scripted_model) as models:
        reply = await general(models, TWO).structured(GREETING, "plan", {"type": "object"})
    assert reply == StructuredReply({"a": 1}, Usage(20, 10)), "the call that failed took tokens, too"


async def test_remote_models_are_prepared_but_not_asked_at_start(scripted_model: ScriptedModel, tmp_path: Path) -> None:
    async with opened(scripted_model, "openai", model_dir=tmp_path) as models:
        models.start()
        await asyncio.wait_for(general(models).ready(), PATIENCE)
        assert models.health() == {}
    assert scripted_model.requests == []
    assert _is_empty(tmp_path)


async def test_embedded_model_shows_in_health_before_it_is_started(tmp_path: Path) -> None:
    settings = load_settings(None, model_provider="embedded", model_dir=tmp_path)
    async with open_models(settings, agents_file()) as models:
        assert {name: health.state for name, health in models.health().items()} == {
            "embedded:qwen2.5-coder-1.5b": "idle"
        }


TWO = agents_file(model=["openai:first", "openai:second"])


def _is_empty(folder: Path) -> bool:
    return not list(folder.iterdir())


def _two(scripted: ScriptedModel) -> AbstractAsyncContextManager[Models]:
    return opened(scripted, "openai", TWO)
