"""Which servers get which sandbox on this machine, and which are therefore not started."""

from collections.abc import Sequence
from dataclasses import replace

from mcp_config.entries.server_config import ServerConfig
from mcp_config.sandbox.confine import choose_sandbox
from mcp_config.sandbox.grants import Sandbox
from mcp_config.sandbox.probe import Available, find_sandboxes


async def confine_servers(servers: Sequence[ServerConfig]) -> list[ServerConfig]:
    """Returns the servers with the sandbox that each will run in, or with what keeps it from being started."""
    if not any(server.transport == "stdio" and server.sandbox != "none" for server in servers):
        return [*servers]
    available = await find_sandboxes()
    return [confine_server(server, available) for server in servers]


def confine_server(server: ServerConfig, available: Available) -> ServerConfig:
    """`auto` takes what works, and nothing where nothing does, unless the server is dangerous."""
    if server.transport != "stdio" or server.sandbox == "none":
        return server
    kind = choose_sandbox(server.sandbox, available)
    if kind is not None:
        return replace(server, confinement=kind, bwrap=available.bwrap if kind == "bwrap" else None)
    if server.sandbox == "auto" and not server.dangerous:
        return server
    return server if server.obstacle else replace(server, obstacle=_missing(server))


def satisfies(server: ServerConfig, wanted: Sandbox | None) -> bool:
    """Tells whether the server runs in what a tool's policy asks for."""
    if wanted in (None, "none"):
        return True
    return server.confinement != "none" if wanted == "auto" else server.confinement == wanted


def _missing(server: ServerConfig) -> str:
    if server.sandbox == "auto":
        return (
            "it is dangerous and no sandbox works here: install bubblewrap, use a kernel with Landlock, or say "
            "`allow_unsandboxed`"
        )
    return f"the sandbox it asks for, {server.sandbox}, does not work here; `auto` takes one that does"
