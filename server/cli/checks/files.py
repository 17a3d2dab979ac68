"""The files that people write: each is read on its own, so that every mistake of every file is told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from config.agents import AgentsFile, load_agents
from config.checkout import shown_path
from config.errors import ConfigError
from config.policies import ToolPolicies, load_policies
from config.settings import Settings
from mcp_config.entries.server_config import ServerConfig
from mcp_config.entries.server_variables import build_variables
from mcp_config.entries.servers_file import load_servers
from server.cli.checks.finding import Finding, fault, ok

T = TypeVar("T")


@dataclass
class Files:
    """What could be read; None where a file has mistakes."""

    agents: AgentsFile | None = None
    policies: ToolPolicies | None = None
    servers: list[ServerConfig] | None = None
    findings: list[Finding] = field(default_factory=list)

    def read(self, part: str, load: Callable[[], T], summary: Callable[[T], str]) -> T | None:
        try:
            read = load()
        except ConfigError as error:
            self.findings += [fault(part, line) for line in str(error).splitlines()]
            return None
        self.findings.append(ok(part, summary(read)))
        return read


def read_files(settings: Settings) -> Files:
    files = Files()
    agents, policies = settings.agents_file, settings.tool_policies_file
    files.agents = files.read(
        "agents", lambda: load_agents(agents), lambda read: f"{len(read.agents)} in {shown_path(agents)}"
    )
    files.policies = files.read(
        "policies", lambda: load_policies(policies), lambda read: f"{len(read.rules)} rules in {shown_path(policies)}"
    )
    files.servers = files.read(
        "servers file",
        lambda: load_servers(settings.mcp_servers, build_variables(settings)),
        lambda read: f"{len(read)} MCP {'server is' if len(read) == 1 else 'servers are'} configured",
    )
    return files
