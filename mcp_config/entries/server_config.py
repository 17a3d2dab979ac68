"""One configured MCP server, ready to be started: nothing in it is left to expand or to look up."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Literal
from urllib.parse import urlsplit

from config.references import fill_for_user, wanted_of_user
from mcp_config.entries.login_terms import OAuth
from mcp_config.names import matches_any
from mcp_config.sandbox.grants import Grants, Kind, Sandbox

Transport = Literal["stdio", "http", "sse"]


@dataclass(frozen=True)
class ServerConfig:
    name: str
    transport: Transport
    command: tuple[str, ...] = ()
    """The program and its arguments; for `stdio`."""
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The child's whole environment. It never inherits ours."""
    cwd: str | None = None
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    user_headers: Mapping[str, str] = field(default_factory=dict)
    """Headers with `${user:NAME}` still in them. Calls of such a server go over sessions of their callers' own."""
    list_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What is sent in their stead on the session that only lists what the server offers."""
    oauth: OAuth | None = None
    """How it is logged in to, where its entry says so."""
    bearer_file: str | None = None
    """Holds a key that is sent as `Authorization: Bearer`; read at each start, so that it may come and change."""
    private: bool = False
    """Whether its name may mean a machine of a private network."""
    prefix: str = ""
    """What its tools' names begin with, before `__`; empty for tools that keep their own names."""
    allow: tuple[str, ...] = ("*",)
    deny: tuple[str, ...] = ()
    """Globs over the server's own tool names: a tool is offered when it is allowed and not denied."""
    repeatable: tuple[str, ...] = ()
    """Globs over the server's own tool names that are safe to run again after a crash."""
    sandbox: Sandbox = "none"
    """What it is to be started in."""
    grants: Grants = field(default_factory=Grants)
    dangerous: bool = False
    """Whether it is never started without a sandbox."""
    confinement: Kind = "none"
    """The sandbox that is in force, once it is known what works here."""
    bwrap: str | None = None
    """Where bubblewrap is, when that is the one."""
    required: bool = False
    """Whether the product is not ready without it."""
    samples: bool = False
    """Whether it may ask the model of an MCP client that calls it at `/mcp/{server}`."""
    timeout: float | None = None
    idle_timeout: float | None = None
    start_timeout: float | None = None
    obstacle: str = ""
    """Why it is not to be started at all, in one line; empty when nothing stands in its way."""
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    """Values that must not be seen in any message about this server."""

    @property
    def program(self) -> str:
        """What runs here, by a name that is the same on every machine: a module, a package, a script or an address."""
        if self.transport != "stdio":
            address = urlsplit(self.url)
            port = f":{address.port}" if address.port else ""
            return f"{address.hostname}{port}{address.path}"
        program, *arguments = self.command or ("",)
        if "-m" in arguments[:-1]:
            return arguments[arguments.index("-m") + 1]
        first = next((argument for argument in arguments if not argument.startswith("-")), "")
        return " ".join(filter(None, (PurePath(program).name, _without_folders(first))))

    @property
    def per_user(self) -> bool:
        """Whether calls go over sessions of their callers' own."""
        return bool(self.user_headers) or (self.oauth is not None and self.oauth.per_user)

    @property
    def credentials(self) -> tuple[str, ...]:
        """What it wants of each user, by name."""
        return tuple(dict.fromkeys(name for text in self.user_headers.values() for name in wanted_of_user(text)))

    def for_user(self, credentials: Mapping[str, str]) -> "ServerConfig":
        """Returns what a session of a user's own is opened with.

        Raises:
            KeyError: a credential that it wants is not there.
        """
        filled = {name: fill_for_user(text, credentials) for name, text in self.user_headers.items()}
        secrets = self.secrets.union(filled.values(), (credentials[name] for name in self.credentials))
        return replace(self, headers={**self.headers, **filled}, user_headers={}, list_headers={}, secrets=secrets)

    def offers(self, tool: str) -> bool:
        """Tells whether the tool of this name is to be offered at all."""
        return matches_any(tool, self.allow) and not matches_any(tool, self.deny)

    def repeats(self, tool: str) -> bool:
        return matches_any(tool, self.repeatable)

    def without_secrets(self, text: str) -> str:
        # longest first: a secret may contain another
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, "[secret]")
        return text


def _without_folders(argument: str) -> str:
    return PurePath(argument).name if PurePath(argument).is_absolute() else argument
