"""Synthesis: writes one answer from the results of several steps."""

from datetime import UTC, datetime
from typing import Final

from langchain_core.messages import AIMessage
from langgraph.runtime import Runtime
from langgraph.types import Command

from config.agents import ROUTER
from config.ids import derive_id
from config.prompts import load_prompt
from nodes.context import RunContext
from nodes.facts import Channel, Said, StepBroken, StepDone, StepOpened
from nodes.lasting import Update
from nodes.models.port import ModelError
from nodes.prompting import Brief, build_prompt, newest_question
from nodes.reach import choose_model
from nodes.reopening import ask_anew
from nodes.state import RunState
from nodes.turn import Say, take_turn
from nodes.warmup import wait_for_model

TASK: Final = "Answer from the results of the steps."


async def synthesis(state: RunState, runtime: Runtime[RunContext]) -> Update | Command[str]:
    write, step_id = runtime.stream_writer, synthesis_id(runtime.context.run_id)
    write(StepOpened(step_id, "synthesis", ROUTER, TASK, channel="answer"))
    said: list[str] = []

    def say(channel: Channel, text: str) -> None:
        said.extend([text] if channel == "answer" else [])
        write(Said(step_id, channel, text))

    try:
        message = await _write_answer(state, runtime.context, step_id, say)
    except ModelError as error:
        if said and ask_anew(error, runtime, step_id):
            return Command(goto="synthesis")
        write(StepBroken(step_id, error.code, str(error)))
        raise
    write(StepDone(step_id, message.text, runtime.context.budget.spending.usage_of(step_id)))
    return {"messages": [AIMessage(message.text)]}


def synthesis_id(run_id: str) -> str:
    return derive_id("step", run_id, "synthesis")


async def _write_answer(state: RunState, context: RunContext, step_id: str, say: Say) -> AIMessage:
    conversation, agent = state["messages"], context.agents[ROUTER]
    question = newest_question(conversation)
    context.budget.check_steps([step_id])
    chosen, conversation = choose_model(context, agent, conversation)
    model = context.metered(chosen, step_id, ROUTER)
    await wait_for_model(model, lambda text: say("reasoning", text))
    brief = Brief(
        agent=agent,
        system=load_prompt("synthesis"),
        conversation=conversation,
        task=question.text if question else TASK,
        today=datetime.now(UTC).date(),
        earlier=state["results"],
    )
    prompt = build_prompt(brief, (), model.context_tokens)
    if prompt.shortened:
        say("reasoning", "The message is longer than this model can read; its middle was left out.\n")
    return await take_turn(model, prompt.messages, (), say, "answer")
