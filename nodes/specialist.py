"""A specialist at work: a subgraph of two nodes, model ⇄ tools, the same for every agent; the agent is data.

A checkpoint lies between a model's request and its effect, and each tool call is a task of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from langchain_core.messages import AIMessage, AnyMessage, InvalidToolCall, ToolCall, ToolMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, Send

from config.agents import AgentSpec
from nodes.budget import BudgetExceeded
from nodes.context import RunContext
from nodes.facts import Channel, FactWriter, Said, StepBroken, StepDone, StepOpened
from nodes.lasting import lasting
from nodes.models.port import ModelError
from nodes.prompting import Brief, build_prompt
from nodes.reach import choose_model, find_tools, pictures_of_tools, recalled
from nodes.reopening import ask_anew
from nodes.state import PlanStep, StepChannel, StepInput, StepOutput, StepResult, StepState, ToolTask
from nodes.toolcalls import answers_directly, offered_now, run_tool_call
from nodes.turn import take_turn
from nodes.warmup import wait_for_model, wait_for_tools

MAX_TURNS: Final = 12
"""Turns of one step with its model: an agent that needs more is going round in circles."""
MAX_CALLS_AT_ONCE: Final = 16
"""Tool calls of one turn that are made; the model is told of the others."""
MAX_REPAIRS: Final = 3
"""How often in a row a model is asked to correct tool arguments that cannot be read."""
_GAP: Final = "\n\n"


def build_specialist(
    name: str, fixed: RunContext | None = None
) -> CompiledStateGraph[StepState, RunContext, StepInput, StepOutput]:
    """Returns the subgraph that stands as one node, under the agent's name, in the run's graph."""
    schema = None if fixed else RunContext
    builder = StateGraph(StepState, context_schema=schema, input_schema=StepInput, output_schema=StepOutput)
    builder.add_node("model", lasting(take_part, fixed), destinations=("tools", "model", END))
    builder.add_node("tools", lasting(run_tool_call, fixed), input_schema=ToolTask)
    builder.add_edge(START, "model")
    builder.add_edge("tools", "model")
    return builder.compile(name=name)


async def take_part(state: StepState, runtime: Runtime[RunContext]) -> Command[str]:
    """The model's node: one turn, or the end of the step."""
    step, turns, write = state["step"], state.get("turns", []), runtime.stream_writer
    voice = _Voice(step, state["channel"], write, said=words_of(turns))
    write(StepOpened(step["id"], "agent", step["agent"], step["task"], voice.said, voice.channel))
    if (answer := answers_directly(turns)) is not None:
        voice.say(voice.channel, (_GAP if voice.said else "") + answer)
        return _complete(voice, runtime.context)
    try:
        message = await _take_turn(state, runtime.context, voice)
        _check_turns([*turns, message])
        runtime.context.budget.add_calls(step["id"], step["agent"], [call["id"] or "" for call in _made(message)])
    except ModelError as error:
        if voice.said != words_of(turns) and ask_anew(error, runtime, step["id"]):
            return Command(goto="model")
        return _break_off(voice, error.code, str(error))
    if message.tool_calls or message.invalid_tool_calls:
        calls = _calls(message, turns, voice)
        return Command(update={"turns": [message, *_refuse(message)]}, goto=calls or "model")
    return _complete(voice, runtime.context)


def words_of(turns: Sequence[AnyMessage]) -> str:
    """Returns what the step has said in these turns, exactly as it was streamed."""
    return _GAP.join(turn.text for turn in turns if isinstance(turn, AIMessage) and turn.text)


@dataclass
class _Voice:
    """What a step says, and has said so far on its own channel."""

    step: PlanStep
    channel: StepChannel
    write: FactWriter
    said: str

    def say(self, channel: Channel, text: str) -> None:
        self.said += text if channel == self.channel else ""
        self.write(Said(self.step["id"], channel, text))

    def think(self, text: str) -> None:
        self.say("reasoning", text)

    def result(self, status: Literal["completed", "failed"], output: str, code: str = "") -> StepResult:
        step, answered = self.step, self.channel == "answer" and bool(self.said)
        return StepResult(
            step_id=step["id"],
            agent=step["agent"],
            task=step["task"],
            status=status,
            output=output,
            code=code,
            answered=answered,
        )


async def _take_turn(state: StepState, context: RunContext, voice: _Voice) -> AIMessage:
    agent, conversation = context.agents[state["step"]["agent"]], state["messages"]
    shown = await pictures_of_tools(context, agent, state.get("turns", []))
    chosen, readable = choose_model(context, agent, conversation, shown)
    model = context.metered(chosen, state["step"]["id"], agent.id)
    await wait_for_tools(context.tools, agent, voice.think)
    await wait_for_model(model, voice.think)
    specs = offered_now(await find_tools(context, agent, model.context_tokens), state.get("turns", []))
    memories = await recalled(context, agent, conversation)
    prompt = build_prompt(_brief(agent, {**state, "messages": readable}, shown, memories), specs, model.context_tokens)
    if prompt.shortened and not state.get("turns"):
        voice.think("The message is longer than this model can read; its middle was left out.\n")
    return await take_turn(model, prompt.messages, specs, voice.say, voice.channel, voice.said)


def _brief(agent: AgentSpec, state: StepState, shown: Sequence[AnyMessage], memories: Sequence[str]) -> Brief:
    return Brief(
        agent=agent,
        system=agent.system_prompt,
        conversation=state["messages"],
        task=state["step"]["task"],
        today=datetime.now(UTC).date(),
        earlier=state["earlier"],
        turns=[*state.get("turns", []), *shown],
        memories=memories,
    )


def _check_turns(turns: Sequence[AnyMessage]) -> None:
    """Raises `ModelError` when the newest turn asks for more and there have been too many, or too many unreadable."""
    message, asked = turns[-1], [turn for turn in turns if isinstance(turn, AIMessage)]
    if len(asked) > MAX_REPAIRS and all(turn.invalid_tool_calls for turn in asked[-MAX_REPAIRS - 1 :]):
        detail = f"the model wrote tool arguments that are no JSON object {MAX_REPAIRS + 1} times in a row; try another"
        raise ModelError("model_bad_output", detail)
    more = isinstance(message, AIMessage) and (message.tool_calls or message.invalid_tool_calls)
    if more and len(asked) >= MAX_TURNS:
        raise BudgetExceeded(f"the step was not done after {MAX_TURNS} turns of its model")


def _refuse(message: AIMessage) -> list[AnyMessage]:
    """Tells the model of calls that could not even be read, and of those that are too many."""
    too_many = f"at most {MAX_CALLS_AT_ONCE} are made at once. Make it later if need be."
    surplus = [_unmade(call, too_many) for call in message.tool_calls[MAX_CALLS_AT_ONCE:]]
    unreadable = [
        _unmade(call, f"its arguments are no JSON object ({call['error'] or call['args']}). Correct it.")
        for call in message.invalid_tool_calls
    ]
    return [*surplus, *unreadable]


def _unmade(call: ToolCall | InvalidToolCall, why: str) -> ToolMessage:
    return ToolMessage(
        f"The call was not made: {why}", tool_call_id=call["id"] or "", name=call["name"], status="error"
    )


def _made(message: AIMessage) -> list[ToolCall]:
    return message.tool_calls[:MAX_CALLS_AT_ONCE]


def _calls(message: AIMessage, turns: Sequence[AnyMessage], voice: _Voice) -> list[Send]:
    """Returns the calls of the newest message, each as a task of its own."""
    made = [(call["name"], call["args"]) for turn in turns if isinstance(turn, AIMessage) for call in _made(turn)]
    tasks = [
        ToolTask(
            step=voice.step,
            channel=voice.channel,
            said=voice.said,
            call_id=call["id"] or "",
            tool=call["name"],
            arguments=call["args"],
            repeats=made.count((call["name"], call["args"])),
        )
        for call in _made(message)
    ]
    return [Send("tools", task) for task in tasks]


def _complete(voice: _Voice, context: RunContext) -> Command[str]:
    voice.write(StepDone(voice.step["id"], voice.said, context.budget.spending.usage_of(voice.step["id"])))
    return Command(update={"results": [voice.result("completed", voice.said)]}, goto=END)


def _break_off(voice: _Voice, code: str, detail: str) -> Command[str]:
    voice.write(StepBroken(voice.step["id"], code, detail))
    return Command(update={"results": [voice.result("failed", detail, code)]}, goto=END)
