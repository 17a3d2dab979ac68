"""A model that broke off in mid-answer is asked after its fallbacks for a minute, and then first again."""

from nodes.models.constrained import ConstrainedModel
from nodes.models.late import LateModel
from nodes.models.standing import Standing
from tests.models.chats import agents_file, fail, general, hear, opened
from tests.support.scripted_model import Replies, ScriptedModel, ScriptedRequest, anything


def _asked(request: ScriptedRequest) -> str:
    return str(request.body["model"])


async def test_step_that_starts_over_asks_the_next_model_first(scripted_model: ScriptedModel) -> None:
    agents = agents_file(model=["openai:first", "openai:second"])
    scripted_model.when(lambda request: _asked(request) == "first", Replies.text("Half an", " answer").unfinished())
    scripted_model.always(anything, Replies.text("All of it"))
    async with opened(scripted_model, "openai", agents) as models:
        assert (await fail(general(models, agents))).code == "model_unavailable"
        assert (await hear(general(models, agents))).text == ["All of it"]
    assert [_asked(request) for request in scripted_model.requests] == ["first", "second"]


def test_after_a_while_it_is_first_again() -> None:
    now = [0.0]
    standing, pair = Standing(lambda: now[0]), (LateModel("a", 1, _never), LateModel("b", 1, _never))
    standing.note_broken("a")
    assert standing.order(pair) == pair[::-1]
    now[0] = 61.0
    assert standing.order(pair) == pair


async def _never() -> ConstrainedModel:
    raise AssertionError("nobody is asked")
