"""What the router's model is shown: a constant part that fits a small context, then the message."""

import json
from pathlib import Path

import jsonschema
import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from config.agents import load_agents
from config.checkout import from_checkout
from config.prompts import load_routing_examples
from config.yaml_file import load_yaml
from nodes.plan import build_plan_schema, parse_plan
from nodes.routing import SMALL_CONTEXT, build_routing_messages, build_warm_up, specialist_ids
from nodes.window import count_message
from server.cli.eval import MESSAGES, LabelledMessages
from tests.nodes.crew import crew, member

SHIPPED = {agent.id: agent for agent in load_agents(Path("config/agents.yaml")).agents}


def words(messages: list[AnyMessage]) -> list[str]:
    return [message.text for message in messages]


def test_all_but_the_last_message_is_the_same_for_every_question() -> None:
    first = build_routing_messages(SHIPPED, [HumanMessage("hello")])
    second = build_routing_messages(SHIPPED, [HumanMessage("a"), AIMessage("b"), HumanMessage("and in Berlin?")])
    warm_up, schema = build_warm_up(SHIPPED)

    assert words(first[:-1]) == words(second[:-1]) == words(warm_up[:-1])
    assert schema == build_plan_schema(specialist_ids(SHIPPED))


def test_examples_are_plans_that_can_be_run() -> None:
    ids = specialist_ids(SHIPPED)
    messages = build_routing_messages(SHIPPED, [HumanMessage("hello")])
    answers = [json.loads(message.text) for message in messages if isinstance(message, AIMessage)]

    assert len(answers) == len(load_routing_examples()), "all of them fit the smallest context"
    for answer in answers:
        jsonschema.validate(answer, build_plan_schema(ids))
        parse_plan(answer, ids, "the message")


def test_examples_with_missing_agents_are_left_out() -> None:
    messages = build_routing_messages(crew("general", "tool-agent"), [HumanMessage("hello")])

    assert "sql-agent" not in " ".join(words(messages))
    assert any("tool-agent" in text for text in words(messages[1:]))


def test_added_agent_is_described_to_the_model_and_may_be_planned() -> None:
    agents = SHIPPED | {"travel-agent": member("travel-agent", "Plans journeys by train.")}

    assert "- travel-agent: Plans journeys by train." in build_routing_messages(agents, [HumanMessage("x")])[0].text
    assert parse_plan({"steps": [{"agent": "travel-agent"}]}, specialist_ids(agents), "x")


@pytest.mark.parametrize("length", [10, 100_000])
@pytest.mark.parametrize("strangers", [0, 40])
def test_prompt_fits_the_smallest_context(length: int, strangers: int) -> None:
    more = {f"agent-{n}": member(f"agent-{n}", "Knows a lot. " * 38) for n in range(strangers)}
    turn = "word " * (length // 5)
    conversation: list[AnyMessage] = [HumanMessage(turn), AIMessage(turn), HumanMessage(turn)]

    messages = build_routing_messages(SHIPPED | more, conversation)

    assert sum(map(count_message, messages)) < SMALL_CONTEXT - 200, "room for the plan"


def test_picture_without_words_can_be_planned() -> None:
    picture = {"type": "image", "base64": "aGVsbG8=", "mime_type": "image/png"}

    messages = build_routing_messages(SHIPPED, [HumanMessage([picture])])

    assert "with a picture" in messages[-1].text


def test_no_message_of_the_benchmark_stands_in_the_prompt() -> None:
    labelled = load_yaml(from_checkout(MESSAGES), LabelledMessages).messages
    shown = {example.message.strip().lower() for example in load_routing_examples()}
    prompt = " ".join(words(build_routing_messages(SHIPPED, [HumanMessage("hello")]))).lower()

    assert len(labelled) >= 60
    for asked in labelled:
        text = asked.message.strip().lower()
        assert text not in shown
        assert len(text) < 12 or text not in prompt
        assert set(asked.agents) <= set(specialist_ids(SHIPPED))
