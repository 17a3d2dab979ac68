"""A small typed client of the REST API, for the command line, notebooks and other programs.

It knows the API's objects and events, and nothing of the server behind them.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Final

import httpx
from pydantic import JsonValue

from config.agents import Limits
from config.policies import ToolPolicies
from graph.events import RunEvent
from server.client_errors import ClientError
from server.client_events import EventClient
from server.client_tools import ToolClient
from server.client_transport import JsonObject
from server.resources.agents import Agent, AgentVersion
from server.resources.approvals import Approval, ApprovalStatus
from server.resources.conversations import Conversation, Message
from server.resources.pages import Page
from server.resources.policies import PolicySet
from server.resources.runs import Run, Step
from server.resources.tokens import MadeToken, NewToken, Token

__all__ = ["Client", "ClientError", "open_client"]

_TIMEOUT: Final = httpx.Timeout(60, connect=5)
"""Streams have a heartbeat every 10 s; tools that are called by hand take up to their own deadline."""


class Client(ToolClient, EventClient):
    """The API by method. Every method raises `ClientError`."""

    async def create_conversation(
        self, title: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> Conversation:
        body: JsonObject = {"title": title, "metadata": dict(metadata or {})}
        return await self.send(Conversation, "POST", "/v1/conversations", body)

    async def conversations(self, *, after: str | None = None, limit: int = 20) -> Page[Conversation]:
        return await self.page_of(Page[Conversation], "/v1/conversations", after, limit)

    async def get_conversation(self, conversation_id: str) -> Conversation:
        return await self.send(Conversation, "GET", f"/v1/conversations/{conversation_id}")

    async def delete_conversation(self, conversation_id: str) -> None:
        await self.exchange("DELETE", f"/v1/conversations/{conversation_id}")

    async def add_message(self, conversation_id: str, content: str, **more: JsonValue) -> Message:
        """Adds a user message; `more` may hold `attachments`, `parent_id` or another `role`."""
        body: JsonObject = {"role": "user", "content": content, **more}
        return await self.send(Message, "POST", f"/v1/conversations/{conversation_id}/messages", body)

    async def messages(self, conversation_id: str, *, after: str | None = None, limit: int = 100) -> Page[Message]:
        return await self.page_of(Page[Message], f"/v1/conversations/{conversation_id}/messages", after, limit)

    async def create_run(
        self, conversation_id: str, agent_id: str = "router", *, limits: Limits | None = None, **more: JsonValue
    ) -> Run:
        """Starts a run that answers the newest user message; follow it with `events`.

        `more` may hold `message_id`, to answer an earlier one, and whatever else a run may be asked with.
        """
        body: JsonObject = {"agent_id": agent_id, **_limited(limits), **more}
        return await self.send(Run, "POST", f"/v1/conversations/{conversation_id}/runs", body)

    async def fork(
        self,
        run_id: str,
        step_id: str | None = None,
        *,
        task: str | None = None,
        agent_id: str | None = None,
        limits: Limits | None = None,
    ) -> Run:
        """Starts a run of the same question that goes another way than an ended one, from a step on."""
        body: JsonObject = {"step_id": step_id, "task": task, "agent_id": agent_id, **_limited(limits)}
        return await self.send(Run, "POST", f"/v1/runs/{run_id}/fork", body)

    async def runs(self, conversation_id: str, *, after: str | None = None, limit: int = 20) -> Page[Run]:
        return await self.page_of(Page[Run], f"/v1/conversations/{conversation_id}/runs", after, limit)

    async def all_runs(self, *, after: str | None = None, limit: int = 20) -> Page[Run]:
        """Returns runs of all conversations, the newest first."""
        return await self.page_of(Page[Run], "/v1/runs", after, limit)

    async def get_run(self, run_id: str) -> Run:
        return await self.send(Run, "GET", f"/v1/runs/{run_id}")

    async def steps(self, run_id: str) -> list[Step]:
        """Returns all steps in the order they began, each with its tool calls."""
        return (await self.send(Page[Step], "GET", f"/v1/runs/{run_id}/steps")).data

    async def cancel(self, run_id: str) -> Run:
        """Asks the run to end; it has ended once its status says so."""
        return await self.send(Run, "POST", f"/v1/runs/{run_id}/cancel")

    async def agents(self) -> list[Agent]:
        return [agent async for agent in self.all_of(Page[Agent], "/v1/agents")]

    async def get_agent(self, agent_id: str) -> Agent:
        return await self.send(Agent, "GET", f"/v1/agents/{agent_id}")

    async def create_agent(self, agent: Agent) -> Agent:
        """Adds an agent (admins only); the router plans with it from the next run on."""
        return await self.send(Agent, "POST", "/v1/agents", agent.model_dump(mode="json"))

    async def update_agent(self, agent_id: str, **changes: JsonValue) -> Agent:
        """Changes the given keys of an agent (admins only); with `version`, only if it still is at that one."""
        return await self.send(Agent, "PATCH", f"/v1/agents/{agent_id}", changes)

    async def delete_agent(self, agent_id: str) -> None:
        """Takes an agent out (admins only). Its versions stay; runs that began with it end with it."""
        await self.exchange("DELETE", f"/v1/agents/{agent_id}")

    async def agent_versions(self, agent_id: str, *, after: str | None = None, limit: int = 20) -> Page[AgentVersion]:
        """Returns what an agent was, the newest first, also of one that is deleted."""
        return await self.page_of(Page[AgentVersion], f"/v1/agents/{agent_id}/versions", after, limit)

    async def get_agent_version(self, agent_id: str, version: int) -> AgentVersion:
        return await self.send(AgentVersion, "GET", f"/v1/agents/{agent_id}/versions/{version}")

    async def roll_back_agent(self, agent_id: str, version: int) -> Agent:
        """Makes what an agent was at a version its newest one (admins only); one that was deleted is there again."""
        return await self.send(Agent, "POST", f"/v1/agents/{agent_id}/rollback", {"version": version})

    async def approvals(
        self, status: ApprovalStatus | None = None, *, run_id: str | None = None, after: str | None = None
    ) -> Page[Approval]:
        """Returns the newest questions to people: all, those of a status, those of a run."""
        return await self.page_of(Page[Approval], "/v1/approvals", after, 100, status=status, run_id=run_id)

    async def get_approval(self, approval_id: str) -> Approval:
        return await self.send(Approval, "GET", f"/v1/approvals/{approval_id}")

    async def approve(self, approval_id: str) -> Approval:
        """Allows the call; its run goes on by itself."""
        return await self._resolve(approval_id, {"decision": "approve"})

    async def edit(self, approval_id: str, arguments: Mapping[str, JsonValue]) -> Approval:
        """Allows the call with these arguments in the place of those it was asked with."""
        return await self._resolve(approval_id, {"decision": "edit", "arguments": dict(arguments)})

    async def reject(self, approval_id: str, reason: str | None = None) -> Approval:
        """Forbids the call; the model is told why, and goes on."""
        return await self._resolve(approval_id, {"decision": "reject", "reason": reason})

    async def _resolve(self, approval_id: str, said: JsonObject) -> Approval:
        return await self.send(Approval, "POST", f"/v1/approvals/{approval_id}", said)

    async def make_token(self, new: NewToken) -> MadeToken:
        """Makes an API key (admins only); what it is, is in this answer and nowhere else."""
        return await self.send(MadeToken, "POST", "/v1/tokens", new.model_dump(mode="json"))

    async def tokens(self) -> list[Token]:
        return [token async for token in self.all_of(Page[Token], "/v1/tokens")]

    async def revoke_token(self, token_id: str) -> None:
        await self.exchange("DELETE", f"/v1/tokens/{token_id}")

    async def policies(self) -> PolicySet:
        """Returns the tool policies in force (admins only)."""
        return await self.send(PolicySet, "GET", "/v1/policies")

    async def set_policies(self, policies: ToolPolicies, version: int | None = None) -> PolicySet:
        """Puts other policies in force (admins only), if the version that rules is still this one."""
        body: JsonObject = {"policies": policies.model_dump(mode="json", exclude_defaults=True), "version": version}
        return await self.send(PolicySet, "PUT", "/v1/policies", body)

    async def ask(
        self,
        content: str,
        *,
        agent_id: str = "router",
        conversation_id: str | None = None,
        limits: Limits | None = None,
    ) -> AsyncGenerator[RunEvent, None]:
        """Yields the events of a run that answers `content`, in a new conversation unless one is given."""
        conversation = conversation_id or (await self.create_conversation()).id
        await self.add_message(conversation, content)
        run = await self.create_run(conversation, agent_id, limits=limits)
        async with aclosing(self.events(run.id)) as events:
            async for event in events:
                yield event


@asynccontextmanager
async def open_client(base_url: str, api_key: str) -> AsyncIterator[Client]:
    """Opens a client of the server at `base_url` (without `/v1`)."""
    headers = {"Authorization": f"Bearer {api_key}"}
    try:
        http = httpx.AsyncClient(base_url=base_url, headers=headers, timeout=_TIMEOUT, trust_env=False)
    except (httpx.InvalidURL, UnicodeEncodeError) as error:
        raise ClientError(0, "invalid_address", f"{base_url!r} or its key cannot be used: {error}") from error
    async with http:
        yield Client(http)


def _limited(limits: Limits | None) -> JsonObject:
    return {"limits": limits.model_dump(exclude_none=True)} if limits else {}
