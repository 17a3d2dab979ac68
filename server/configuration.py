"""The files that people write, checked before anything is opened. Quick to import: mistakes are told at once."""

from dataclasses import dataclass

from config.agents import AgentsFile, load_agents
from config.policies import ToolPolicies, load_policies
from config.settings import Settings
from mcp_config.entries.server_config import ServerConfig
from mcp_config.entries.server_variables import build_variables
from mcp_config.entries.servers_file import load_servers


@dataclass(frozen=True)
class ToolConfiguration:
    """What is written about tools: all that the gateway reads."""

    policies: ToolPolicies
    servers: list[ServerConfig]

    @property
    def server_secrets(self) -> frozenset[str]:
        """What must not be seen of the tool servers' configuration."""
        return frozenset[str]().union(*(server.secrets for server in self.servers))


@dataclass(frozen=True)
class Configuration(ToolConfiguration):
    agents: AgentsFile


def load_tool_configuration(settings: Settings) -> ToolConfiguration:
    """Raises `ConfigError`, with a line for each mistake of the first file that has any."""
    return ToolConfiguration(
        policies=load_policies(settings.tool_policies_file),
        servers=load_servers(settings.mcp_servers, build_variables(settings)),
    )


def load_configuration(settings: Settings) -> Configuration:
    """Raises `ConfigError`, with a line for each mistake of the first file that has any."""
    return Configuration(
        agents=load_agents(settings.agents_file),
        policies=load_policies(settings.tool_policies_file),
        servers=load_servers(settings.mcp_servers, build_variables(settings)),
    )
