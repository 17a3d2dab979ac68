"""Request bodies with an example each, as `/docs` shows them."""

from typing import Annotated, Any, Final

from fastapi import Body
from pydantic import Field, JsonValue

from config.api_keys import Role
from server.resources.agents import Agent, Rollback
from server.resources.approvals import Resolution
from server.resources.conversations import NewConversation, NewMessage
from server.resources.credentials import NewCredential
from server.resources.mcp_servers import NewLogin
from server.resources.policies import NewPolicies
from server.resources.resource import Request
from server.resources.runs import NewFork, NewRun
from server.resources.tokens import NewToken
from server.resources.tools import ToolApproval


class Invocation(Request):
    """A tool call by hand."""

    arguments: dict[str, JsonValue] = Field({}, description="As the tool's `input_schema` asks for them.")


def _example(summary: str, value: dict[str, JsonValue]) -> Any:  # noqa: ANN401 - FastAPI's marker says so of itself
    return Body(openapi_examples={"example": {"summary": summary, "value": value}})


class Question(Request):
    """A tool call that is only asked about."""

    arguments: dict[str, JsonValue] = Field({}, description="As the tool's `input_schema` asks for them.")
    agent: str | None = Field(None, max_length=63, description="The agent that would call; without it, you yourself.")
    user: str | None = Field(None, max_length=200, description="On whose behalf, if not yours (admins only).")
    role: Role | None = Field(None, description="That user's role, if not yours (admins only).")
    read: list[str] = Field(
        [], max_length=100, description="Tools whose results the run would have read by then; see `untrusted_input`."
    )


_AGENT: Final[dict[str, JsonValue]] = {
    "id": "poet",
    "name": "Poet",
    "description": "Writes short poems and rhymes on any subject.",
    "system_prompt": "You are a poet. Answer with one short poem.",
    "allowed_tools": ["time__*"],
}
_FORK: Final[dict[str, JsonValue]] = {
    "step_id": "step_01997f3e-8f4a-7cc1-a6c5-3f2f6f3d9b11",
    "task": "Sum up only the orders of 2026.",
}

_POLICIES: Final[dict[str, JsonValue]] = {
    "version": 0,
    "policies": {
        "rules": [
            {"match": "time__*", "agents": ["[a-z]*"], "verdict": "allow"},
            {"match": "*", "agents": ["-"], "roles": ["admin"], "verdict": "allow"},
        ],
        "tools": {"time__*": {"rate": "60/minute"}},
        "rates": {"users": {"*": "600/hour"}},
    },
}
_QUESTION: Final[dict[str, JsonValue]] = {"agent": "tool-agent", "arguments": {"timezone": "Asia/Tokyo"}}

ConversationBody = Annotated[NewConversation, _example("With a title", {"title": "Trip to Japan"})]
MessageBody = Annotated[NewMessage, _example("A question", {"content": "What time is it in Tokyo right now?"})]
RunBody = Annotated[NewRun, _example("The router plans; events are streamed", {"agent_id": "router", "stream": True})]
ForkBody = Annotated[NewFork, _example("A step in other words", _FORK)]
AgentBody = Annotated[Agent, _example("A specialist", _AGENT)]
AgentPatch = Annotated[dict[str, JsonValue], _example("Another model", {"model": ["openai:gpt-5-mini", "default"]})]
RollbackBody = Annotated[Rollback, _example("What it was at first", {"version": 1})]
ResolutionBody = Annotated[
    Resolution, _example("With other arguments", {"decision": "edit", "arguments": {"timezone": "Asia/Tokyo"}})
]
InvocationBody = Annotated[Invocation, _example("The clock", {"arguments": {"timezone": "Asia/Tokyo"}})]
LoginBody = Annotated[NewLogin, _example("As oneself, or for all who share it", {"shared": False})]
ToolApprovalBody = Annotated[ToolApproval, _example("What was looked at", {"sha256": "0" * 64})]
PolicyBody = Annotated[NewPolicies, _example("Two rules and two rates", _POLICIES)]
QuestionBody = Annotated[Question, _example("May the tool agent look at the clock?", _QUESTION)]
TokenBody = Annotated[NewToken, _example("A service's key", {"name": "ci", "role": "service"})]
CredentialBody = Annotated[NewCredential, _example("A token of yours", {"value": "your-own-token"})]
