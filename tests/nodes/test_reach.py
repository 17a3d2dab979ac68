"""Which model reads a conversation with pictures, and what of them it is given."""

from dataclasses import dataclass, field, replace

import pytest
from langchain_core.messages import AnyMessage, HumanMessage

from config.agents import AgentSpec
from nodes.context import RunContext
from nodes.models.port import ChatModel, ModelError
from nodes.reach import choose_model
from tests.graph.conftest import Stage, agent
from tests.nodes.crew import NoTools

Block = dict[str, str | dict[str, str]]
PICTURE: Block = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
ADDRESS: Block = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}


@dataclass
class Blind:
    """A catalog in which no model sees."""

    model: ChatModel
    asked: list[bool] = field(default_factory=list)

    def sees(self, agent: AgentSpec) -> bool:
        return False

    def for_agent(self, agent: AgentSpec, *, images: bool = False) -> ChatModel:
        self.asked.append(images)
        if images:
            raise ModelError("model_rejected", "cannot see images: name a model that can as `vision`")
        return self.model


def _context(stage: Stage, *, blind: bool) -> RunContext:
    models = Blind(stage.models.model) if blind else stage.models
    return RunContext("run_1", "ada", {"general": agent("general")}, models, NoTools())


def _said(*blocks: Block, text: str = "look") -> AnyMessage:
    return HumanMessage([*blocks, {"type": "text", "text": text}])


async def test_question_with_a_picture_needs_a_model_that_sees(stage: Stage) -> None:
    context = _context(stage, blind=True)
    with pytest.raises(ModelError, match="as `vision`"):
        choose_model(context, agent("general"), [_said(PICTURE)])


async def test_earlier_picture_does_not_keep_the_conversation_from_going_on(stage: Stage) -> None:
    conversation = [_said(PICTURE, text="what is this?"), HumanMessage("thanks, and what is 1+1?")]
    _, readable = choose_model(_context(stage, blind=True), agent("general"), conversation)
    assert [message.content for message in readable] == [
        "what is this?\n[1 pictures, which this model cannot see]",
        "thanks, and what is 1+1?",
    ]
    _, readable = choose_model(_context(stage, blind=False), agent("general"), conversation)
    assert readable == conversation


async def test_model_that_fetches_nothing_is_given_no_address(stage: Stage) -> None:
    @dataclass
    class Local:
        name: str = "ollama:llava"
        context_tokens: int = 8192

    context = replace(_context(stage, blind=False), models=replace(stage.models, model=Local()))  # type: ignore[arg-type]  # it is only named
    assert choose_model(context, agent("general"), [_said(PICTURE)])
    with pytest.raises(ModelError, match="send the bytes in `data`"):
        choose_model(context, agent("general"), [_said(ADDRESS)])
