"""The tools' node of a specialist: one call that a model asked for, down the governed path or from the ledger."""

import json
from collections.abc import Sequence
from typing import Final, Literal

from langchain_core.messages import AIMessage, AnyMessage, ToolMessage
from langgraph.runtime import Runtime

from mcp_config.tools import JsonObject, ToolCall, ToolResult, ToolSpec
from nodes.approvals import RunApprovals
from nodes.context import RunContext
from nodes.facts import Said, StepOpened
from nodes.lasting import Update
from nodes.ledger import StreamLedger
from nodes.reach import result_room
from nodes.state import ToolTask
from nodes.untrusted import mark_as_data
from nodes.warmup import wait_for_tools

_REPEATS_MADE: Final = 1
"""How often the very same call is made again within a step; after that the model is only told."""
_LOST: Final = ToolResult(
    "unknown",
    "This call was started before an interruption and it is not known whether it took effect. It was not repeated. "
    "Say so to the user; do not make it again unless it can be checked that it had no effect.",
    "outcome_unknown",
)
_AGAIN_FAILED: Final = "[You made this very call before, and it failed as now. Change its arguments as it says above.]"
_DIRECT: Final = {"return_direct": True}
"""On a message that is the step's answer as it is."""


async def run_tool_call(task: ToolTask, runtime: Runtime[RunContext]) -> Update:
    context, step, write = runtime.context, task["step"], runtime.stream_writer
    write(StepOpened(step["id"], "agent", step["agent"], step["task"], task["said"], task["channel"]))
    await wait_for_tools(
        context.tools, context.agents[step["agent"]], lambda text: write(Said(step["id"], "reasoning", text))
    )
    spec = _find_spec(context, step["agent"], task["tool"])
    call = ToolCall(
        task["call_id"],
        task["tool"],
        task["arguments"],
        context.caller(step["agent"]),
        read=frozenset(context.read),
        room=result_room(context, step["agent"]),
    )
    if task["repeats"] > _REPEATS_MADE:
        return {"turns": [_message(call, "error", _again(made=False), direct=False)]}
    ledger, approvals = StreamLedger(step["id"], write, context.acknowledged), RunApprovals(step["id"], write, context)
    result = await _result_of(call, spec, ledger, approvals)
    direct = spec is not None and spec.return_direct and result.status == "ok"
    content = _told(result, spec, None if direct else approvals.edited(call))
    if task["repeats"]:
        content = f"{content}\n\n{_again(made=True) if result.status == 'ok' else _AGAIN_FAILED}"
    return {"turns": [_message(call, "success" if result.status == "ok" else "error", content, direct=direct)]}


def offered_now(specs: Sequence[ToolSpec], turns: Sequence[AnyMessage]) -> list[ToolSpec]:
    """Returns the tools whose turn has come: what is used `after` another tool waits until that one has answered."""
    missing = {spec.name for spec in specs} - {turn.name for turn in turns if isinstance(turn, ToolMessage)}
    return [spec for spec in specs if spec.after not in missing]


def answers_directly(turns: Sequence[AnyMessage]) -> str | None:
    """Returns the results of the newest turn's calls that are the step's answer as they are, if there are any."""
    newest: list[str] = []
    for turn in turns:
        if isinstance(turn, AIMessage):
            newest = []
        elif isinstance(turn, ToolMessage) and turn.artifact == _DIRECT:
            newest.append(turn.text)
    return "\n\n".join(newest) if newest else None


def _find_spec(context: RunContext, agent: str, tool: str) -> ToolSpec | None:
    specs = context.tools.specs(context.agents[agent].allowed_tools)
    return next((spec for spec in specs if spec.name == tool), None)


async def _result_of(
    call: ToolCall, spec: ToolSpec | None, ledger: StreamLedger, approvals: RunApprovals
) -> ToolResult:
    """Makes the call unless an earlier attempt did: a known result is used, a lost call repeated where that is safe."""
    context = approvals.context
    if call.id in context.earlier_calls:
        if known := context.earlier_calls[call.id]:
            return known
        if spec is None or not spec.repeatable:
            await ledger.ended(call, _LOST)
            return _LOST
    result = await context.tools.call(call, ledger, approvals)
    if ledger.acted:
        context.read.add(call.tool)
    ledger.settle(call, result)
    return result


def _told(result: ToolResult, spec: ToolSpec | None, edited: JsonObject | None) -> str:
    """Returns what the model reads: strangers' words as data, below what a person changed about the call."""
    content = result.content or f"(no output; status: {result.status})"
    if spec is not None and spec.untrusted and (result.status == "ok" or result.error_code == "tool_error"):
        content = mark_as_data(spec.name, content)
    if edited is not None:
        content = f"[A person approved this call with other arguments: {json.dumps(edited)}]\n\n{content}"
    return content


def _again(*, made: bool) -> str:
    told = "You made this very call before, with the same arguments; " if made else "This call was not made: "
    return f"[{told}its result is above. Use that, or do something else.]"


def _message(call: ToolCall, status: Literal["success", "error"], content: str, *, direct: bool) -> ToolMessage:
    return ToolMessage(
        content, tool_call_id=call.id, name=call.tool, status=status, artifact=_DIRECT if direct else None
    )
