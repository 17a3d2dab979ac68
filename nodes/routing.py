"""The router's prompt. It begins with what stays the same from run to run (rules, agents, worked examples), so that an
engine that caches prefixes reads that part only once. Pure, but for the prompt files."""

from collections.abc import Mapping, Sequence
from string import Template
from typing import Final

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage

from config.agents import GENERAL, ROUTER, AgentSpec
from config.prompts import RoutingExample, load_prompt, load_routing_examples
from mcp_config.tools import JsonObject
from nodes.plan import build_plan_schema, write_json
from nodes.prompting import newest_question
from nodes.state import StepResult
from nodes.window import count_message, cut, pictures_of

SMALL_CONTEXT: Final = 4096
"""What the smallest supported model can read; the default where no model is asked."""
_TURNS_IN_VIEW: Final = 4
_TURN_TOKENS: Final = 100
_MESSAGE_TOKENS: Final = 600
_RESULT_TOKENS: Final = 100
_RESERVED_TOKENS: Final = 1500
"""Kept free of the constant part, for the conversation in view, the message, a repair and the plan."""
_NO_WORDS: Final = "Look at what is attached."
_ROLES: Final = {"human": "user", "ai": "assistant"}


def build_routing_messages(
    agents: Mapping[str, AgentSpec],
    conversation: Sequence[AnyMessage],
    results: Sequence[StepResult] = (),
    context_tokens: int = SMALL_CONTEXT,
) -> list[AnyMessage]:
    """Returns the whole prompt of one routing call; all but its last message depends on the agents alone."""
    prompt: list[AnyMessage] = [SystemMessage(_build_instructions(agents, context_tokens))]
    room = context_tokens - _RESERVED_TOKENS - count_message(prompt[0])
    for example in load_routing_examples():
        shown = _render_example(example)
        room -= sum(map(count_message, shown))
        if room > 0 and all(step.agent in specialist_ids(agents) for step in example.steps):
            prompt += shown
    return [*prompt, HumanMessage(_render_question(conversation, results))]


def build_warm_up(
    agents: Mapping[str, AgentSpec], context_tokens: int = SMALL_CONTEXT
) -> tuple[list[AnyMessage], JsonObject]:
    """Returns the messages and the schema of a routing call that leaves the constant part in an engine's cache."""
    messages = build_routing_messages(agents, [HumanMessage("Hello!")], context_tokens=context_tokens)
    return messages, build_plan_schema(specialist_ids(agents))


def specialist_ids(agents: Mapping[str, AgentSpec]) -> list[str]:
    """Returns the agents that a plan may name, the fallback first, in a stable order."""
    ids = [agent.id for agent in agents.values() if agent.enabled and agent.role == "specialist"]
    return sorted(ids, key=lambda agent_id: (agent_id != GENERAL, agent_id))


def newest_words(conversation: Sequence[AnyMessage]) -> str:
    """Returns the text of the message that the run answers."""
    question = newest_question(conversation)
    return (question.text.strip() if question else "") or _NO_WORDS


def _build_instructions(agents: Mapping[str, AgentSpec], context_tokens: int) -> str:
    ids = specialist_ids(agents)
    room = (context_tokens - _RESERVED_TOKENS) // 2 // max(1, len(ids))
    lines = [f"- {agent_id}: {cut(' '.join(agents[agent_id].description.split()), room)}" for agent_id in ids]
    rules = Template(load_prompt("router")).substitute(agents="\n".join(lines), fallback=ids[0] if ids else GENERAL)
    return f"{agents[ROUTER].system_prompt.strip()}\n\n{rules}"


def _render_example(example: RoutingExample) -> list[AnyMessage]:
    steps = [step.model_dump() for step in example.steps]
    plan = {"steps": steps if len(steps) > 1 else [{"agent": steps[0]["agent"]}]}
    earlier = [f"{turn.role}: {turn.text}" for turn in example.earlier]
    return [HumanMessage(_render_message(earlier, example.message)), AIMessage(write_json(plan))]


def _render_question(conversation: Sequence[AnyMessage], results: Sequence[StepResult]) -> str:
    question = newest_question(conversation)
    message = cut(newest_words(conversation), _MESSAGE_TOKENS)
    if question and pictures_of(question):
        message += " (with a picture)"
    if results:
        tried = "\n".join(_render_result(result) for result in results)
        return Template(load_prompt("router_replan")).substitute(results=tried, message=message)
    spoken = [turn for turn in conversation if turn.type in _ROLES and turn is not question and turn.text.strip()]
    earlier = [f"{_ROLES[turn.type]}: {cut(turn.text.strip(), _TURN_TOKENS)}" for turn in spoken[-_TURNS_IN_VIEW:]]
    return _render_message(earlier, message)


def _render_result(result: StepResult) -> str:
    output = cut(result["output"], _RESULT_TOKENS)
    return f"- {result['agent']} {result['status']}: {cut(result['task'], _RESULT_TOKENS)}: {output}"


def _render_message(earlier: Sequence[str], message: str) -> str:
    if not earlier:
        return message
    return "\n".join(["Earlier in the conversation:", *earlier, "", f"New message: {message}"])
