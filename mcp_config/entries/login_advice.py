"""What people are told who have to log in to a server. Pure."""

from mcp_config.entries.login_terms import HOUSE
from mcp_config.entries.server_config import ServerConfig


def takes_login(config: ServerConfig) -> bool:
    """Tells whether a person can log in: it is reached by `url`, and nothing else says there who we are."""
    if config.transport == "stdio" or config.bearer_file or config.user_headers:
        return False
    if config.oauth is not None:
        return config.oauth.grant == "login"
    return not any(name.lower() == "authorization" for name in config.headers)


def build_login_advice(config: ServerConfig, owner: str = HOUSE) -> str:
    """Returns how to log in as the owner; nothing where nobody can."""
    if not takes_login(config):
        return ""
    if config.per_user and owner == HOUSE:
        return f"an admin logs in, for the list of what it offers: open-agent tools login {config.name} --shared"
    return f"log in: open-agent tools login {config.name}, or POST /v1/mcp/servers/{config.name}/login"
