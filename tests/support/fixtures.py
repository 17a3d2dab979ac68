"""Fixtures that every area of the tests may use."""

from collections.abc import AsyncIterator

import pytest

from tests.support.scripted_model import ScriptedModel, open_strict_model


@pytest.fixture
async def scripted_model() -> AsyncIterator[ScriptedModel]:
    """A scripted OpenAI-compatible server. A request that no rule expects fails the test that caused it."""
    async with open_strict_model() as model:
        yield model
