"""The words of the tool path: a tool, a call, its result, and the ports the path needs from above."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from pydantic import JsonValue

from config.api_keys import Role
from mcp_config.talkback import Client

JsonObject = dict[str, JsonValue]
CallStatus = Literal["ok", "error", "denied", "timeout", "cancelled", "unknown"]


@dataclass(frozen=True)
class ToolSpec:
    """One tool as the registry offers it."""

    name: str
    """`server__tool`, safe for models: `^[a-zA-Z0-9_-]{1,64}$`."""
    server: str
    original_name: str
    """What the server itself calls it; used for dispatch."""
    description: str
    input_schema: JsonObject
    """As the server gave it, but for what nobody sees in its words."""
    model_schema: JsonObject
    """The normalised copy a model may be given."""
    annotations: Mapping[str, JsonValue] = field(default_factory=dict)
    """The server's own hints (`readOnlyHint`, `idempotentHint`, …): claims, never proofs."""
    shown: Mapping[str, JsonValue] = field(default_factory=dict)
    """What MCP clients are shown beside: title, output schema, icons, `_meta`."""
    return_direct: bool = False
    """The result is the step's answer and is not fed back to the model (from policy)."""
    after: str | None = None
    """The tool that must have answered before this one is offered (from policy)."""
    untrusted: bool = False
    """Its results may hold what anybody wrote (from policy): a model is shown them as data."""
    repeatable: bool = False
    """Safe to run again after a crash: read-only or idempotent, by annotation or by policy."""


@dataclass(frozen=True)
class Caller:
    """On whose behalf a call is made. `agent` is None for a person who calls over REST."""

    owner: str
    agent: str | None = None
    run_id: str | None = None
    role: Role = "user"
    resolves: bool = True
    """Whether its key may also answer what is asked about its calls."""


@dataclass(frozen=True)
class ToolCall:
    """A request to run one tool. Requests are replaced, never mutated."""

    id: str
    tool: str
    arguments: JsonObject
    caller: Caller
    read: frozenset[str] = frozenset()
    """Tools whose results the run had read before it made this call."""
    room: int | None = None
    """Bytes of the result that the caller's model has room for; the tool's own cap may be tighter."""
    client: Client | None = field(default=None, compare=False, repr=False)
    """The MCP client that makes the call, when one does: its server may reach it, and it gets what the server sent."""


RateScope = Literal["user", "agent", "tool"]


@dataclass(frozen=True)
class Allowance:
    """What is left of one rate limit: of `limit` calls in each `window` of seconds."""

    scope: RateScope
    limit: int
    window: int
    remaining: int
    reset: int
    """Seconds until there is more."""


@dataclass(frozen=True)
class Blob:
    """Something in a result that is no text: a picture, a sound, a file."""

    media_type: str
    content: bytes
    stand_in: str
    """The words in the result's content that stand for it."""


@dataclass(frozen=True)
class ToolResult:
    """How a call ended. `content` is what the model reads; `error_code` is stable, None when `status` is `ok`."""

    status: CallStatus
    content: str
    error_code: str | None = None
    structured: JsonValue = None
    artifact_id: str | None = None
    allowances: tuple[Allowance, ...] = ()
    """What the rate limits that the call came under still allow."""
    blobs: tuple[Blob, ...] = ()
    """What has still to be kept; the path hands on results without any."""
    blocks: tuple[JsonObject, ...] | None = None
    """The result in the server's own blocks, for a caller that is an MCP client."""


class Artifacts(Protocol):
    """Where results are kept whole that are too big for a prompt, or no text. Its owner alone gets at them."""

    async def keep(self, call: ToolCall, number: int, media_type: str, content: bytes) -> str | None:
        """Returns the artifact's id once it is durable; None when it cannot be kept.

        `number` tells the artifacts of one call apart: what is kept again under the same one is the same artifact.
        """


@dataclass(frozen=True)
class Answer:
    """What came of asking a person whether a call may be made. `expire`: nobody said anything in time."""

    decision: Literal["approve", "edit", "reject", "expire"]
    arguments: JsonObject | None = None
    """What to call it with, after an edit."""
    reason: str = ""
    """What the person said with the decision."""


class Approvals(Protocol):
    """Where people are asked about calls that policy leaves to them."""

    async def ask(self, call: ToolCall, rule: str) -> Answer | None:
        """Returns the answer; None when it will come later, and this call is not made. A run suspends instead."""


@dataclass(frozen=True)
class Question:
    """What a server asks of a person while it works on a call."""

    message: str
    schema: JsonObject
    """What an answer has to be, as the server said it: answers are checked against this."""
    shown: JsonObject
    """The same, without what nobody sees: what people are shown."""


ELICITATION: Final = "elicitation"
"""Stands in the place of a rule where it is no policy that asks a person, but the call's own server."""


class People(Protocol):
    """Where questions of servers are put to people, on behalf of the call's owner."""

    async def answer(self, call: ToolCall, question: Question) -> Answer:
        """Returns what a person said, however long that takes. Cancelled, it closes the question."""


class Ledger(Protocol):
    """Where calls are written down before and after their effect. `started` returns once that is durable."""

    async def started(self, call: ToolCall) -> None: ...

    async def ended(self, call: ToolCall, result: ToolResult) -> None: ...


class Unwritten:
    """A ledger for calls that nobody keeps a log of: notebooks and scripts."""

    async def started(self, call: ToolCall) -> None:
        del call

    async def ended(self, call: ToolCall, result: ToolResult) -> None:
        del call, result


CallTool = Callable[[ToolCall], Awaitable[ToolResult]]
"""The shape of the path, and of what is left of it behind each piece."""


class ToolBox(Protocol):
    """The governed registry, as nodes and routes see it."""

    def specs(self, allowed: Sequence[str]) -> list[ToolSpec]:
        """Returns the tools whose names match one of the globs and that are there now, in a stable order."""

    async def ready(self, allowed: Sequence[str]) -> None:
        """Waits, within the start deadline, until the servers these globs need are up or known to be sick."""

    def warming(self, allowed: Sequence[str]) -> list[str]:
        """Returns the names of servers these globs need that are still starting."""

    async def call(self, call: ToolCall, ledger: Ledger, approvals: Approvals | None = None) -> ToolResult:
        """Takes the governed path. Never raises for what a tool, server or policy does: that is a status.

        Without `approvals` there is nobody to ask, and what needs asking is denied.
        """
