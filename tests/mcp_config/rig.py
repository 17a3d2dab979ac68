"""What tests of the tool path share: chaos servers, a registry over them, a ledger that remembers, and waiting."""

import contextlib
import os
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
from pydantic import JsonValue

from config.agents import AgentPolicies, AgentSpec
from config.ids import new_id
from config.policies import Rule, ToolPolicies, ToolSettings
from mcp_config.entries.server_config import ServerConfig
from mcp_config.guards import Guards
from mcp_config.inventory import Deadlines
from mcp_config.registry import ToolRegistry, open_registry
from mcp_config.server_health import ServerHealth
from mcp_config.tools import Artifacts, Caller, People, ToolCall, ToolResult
from tests.support.waiting import PATIENCE, until

CHAOS = Path(__file__).parent.parent / "support" / "chaos_server.py"
ALLOW_ALL = ToolPolicies(rules=[Rule(match="*", verdict="allow")])


def hurried(tool: str, seconds: float, idle: float | None = None) -> ToolPolicies:
    """Everything is allowed, and this one tool has a short deadline."""
    return ToolPolicies(rules=ALLOW_ALL.rules, tools={tool: ToolSettings(timeout=seconds, idle_timeout=idle)})


def chaos(name: str, mode: str = "healthy", *arguments: str) -> ServerConfig:
    """A server of ours that misbehaves as the mode says."""
    # -I -S: it needs nothing but the standard library, and starts at once
    command = (sys.executable, "-I", "-S", str(CHAOS), mode, *arguments)
    return ServerConfig(name=name, transport="stdio", command=command, prefix=name, env={"LANG": "C.UTF-8"})


def agent(agent_id: str = "tester", tools: Sequence[str] = ("*",), ask: Sequence[str] = ()) -> AgentSpec:
    policies = AgentPolicies.model_validate({"approval": {"tools": list(ask)}})
    return AgentSpec(
        id=agent_id, name="T", description="d", system_prompt="p", allowed_tools=list(tools), policies=policies
    )


@dataclass
class Memory:
    """A ledger that remembers what it was told, in order."""

    entries: list[str] = field(default_factory=list)

    async def started(self, call: ToolCall) -> None:
        self.entries.append(f"started {call.tool}")

    async def ended(self, call: ToolCall, result: ToolResult) -> None:
        self.entries.append(f"{result.status} {call.tool}")


@dataclass(frozen=True)
class Rig:
    """A registry under test, with one caller."""

    registry: ToolRegistry
    caller: Caller = field(default_factory=lambda: Caller("alice", "tester"))
    ledger: Memory = field(default_factory=Memory)

    async def call(self, tool: str, **arguments: JsonValue) -> ToolResult:
        return await self.registry.call(ToolCall(new_id("call"), tool, arguments, self.caller), self.ledger)

    def by(self, caller: Caller) -> "Rig":
        return replace(self, caller=caller)

    def health(self, server: str) -> ServerHealth:
        return self.registry.health()[server]

    async def until(self, server: str, *states: str) -> ServerHealth:
        await until(lambda: self.health(server).state in states)
        return self.health(server)


@contextlib.asynccontextmanager
async def open_rig(
    *servers: ServerConfig,
    policies: ToolPolicies = ALLOW_ALL,
    agents: Sequence[AgentSpec] = (),
    start: float = PATIENCE,
    call: float = PATIENCE,
    artifacts: Artifacts | None = None,
    people: People | None = None,
) -> AsyncIterator[Rig]:
    known = {one.id: one for one in agents or [agent()]}
    guards = Guards(artifacts=artifacts, people=people)
    async with open_registry(servers, policies, known.get, Deadlines(start, call), guards) as registry:
        await registry.ready(["*"])
        yield Rig(registry)


def find_groups(mode: str) -> set[int]:
    """Returns the process groups of this test's own servers in the mode."""
    ours = psutil.Process().children(recursive=True)
    return {os.getpgid(one.pid) for one in ours if _argument(one, 4) == mode}


def members(groups: set[int]) -> list[int]:
    """Returns the pids that live in the groups, wherever they hang by now."""
    return [one.pid for one in psutil.process_iter() if _group(one) in groups]


def _argument(process: psutil.Process, place: int) -> str:
    try:
        return (process.cmdline() + [""] * place)[place]
    except psutil.Error:
        return ""


def _group(process: psutil.Process) -> int:
    try:
        return 0 if process.status() == psutil.STATUS_ZOMBIE else os.getpgid(process.pid)
    except (psutil.Error, ProcessLookupError):
        return 0
