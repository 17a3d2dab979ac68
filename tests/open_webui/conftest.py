"""The real application over loopback, as in the tests of the completions, and a pipe in front of it."""

import pytest

from tests.completions.conftest import admin, deputy, model, served, user
from tests.http.serving import USER_KEY, Served
from tests.open_webui.asking import Chat, load_pipe

__all__ = ["admin", "deputy", "model", "served", "user"]


@pytest.fixture
def chat(served: Served, request: pytest.FixtureRequest) -> Chat:
    """A chat of its own for each test."""
    module = load_pipe()
    pipe = module.Pipe()
    pipe.valves = module.Pipe.Valves(BASE_URL=served.url, API_KEY=USER_KEY)
    return Chat(pipe, chat_id=f"chat-{request.node.name}")
