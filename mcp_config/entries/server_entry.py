"""The shape of `servers.json`: what an entry may say, and what is made of it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, PositiveFloat, field_validator, model_validator

from config.references import wanted_of_user
from mcp_config.entries.login_terms import OAuthGiven
from mcp_config.entries.server_config import ServerConfig, Transport
from mcp_config.entries.server_secrets import build_secrets
from mcp_config.sandbox.grants import MEBIBYTE, Grants, Sandbox

TransportName = Literal["stdio", "http", "streamable-http", "streamable_http", "streamableHttp", "sse"]

_INHERITED: Final = ("HOME", "PATH", "USER", "SHELL", "TERM", "LOGNAME", "LANG")
_TRANSPORTS: Final[Mapping[TransportName, Transport]] = {
    "stdio": "stdio",
    "http": "http",
    "streamable-http": "http",
    "streamable_http": "http",
    "streamableHttp": "http",
    "sse": "sse",
}


class Granted(BaseModel):
    """What a sandboxed server may have of this machine."""

    model_config = ConfigDict(extra="forbid")

    read: list[str] = []
    write: list[str] = []
    hide: list[str] = []
    sockets: list[str] = []
    network: bool = False
    private: bool = False
    """For a server that is reached by `url`: its name may mean a machine of a private network."""
    memory_mb: int = Field(2048, ge=64)
    processes: int = Field(64, ge=1)
    file_mb: int = Field(64, ge=1)

    @field_validator("network", mode="before")
    @classmethod
    def _by_variable(cls, value: JsonValue) -> JsonValue:
        """A `${VARIABLE}` grants the network by having a value."""
        return bool(value) if isinstance(value, str) and value not in ("true", "false") else value

    def build(self) -> Grants:
        return Grants(
            read=_paths(self.read),
            write=_paths(self.write),
            hide=_paths(self.hide),
            sockets=_paths(self.sockets),
            network=self.network,
            memory=self.memory_mb * MEBIBYTE,
            processes=self.processes,
            file=self.file_mb * MEBIBYTE,
        )


def _paths(given: Sequence[str]) -> tuple[str, ...]:
    """Returns the paths that are named; a variable may hold several, as PATH does, or none."""
    return tuple(path for entry in given for path in entry.split(os.pathsep) if path)


class Ours(BaseModel):
    """The keys that only this product knows."""

    model_config = ConfigDict(extra="forbid")

    allow: list[str] = ["*"]
    deny: list[str] = []
    prefix: str | None = Field(None, pattern=r"^[A-Za-z0-9_-]{0,40}$")
    repeatable: list[str] = []
    sandbox: Sandbox = "none"
    grant: Granted = Field(default_factory=Granted)
    dangerous: bool = False
    allow_unsandboxed: bool = False
    """Says aloud that a dangerous server may run without a sandbox where none works."""
    required: bool = False
    bearer_file: str | None = None
    """For a server that is reached by `url`: the file that holds the key for it."""
    auth: OAuthGiven | None = None
    """For a server that is reached by `url`: how it is logged in to."""
    list_headers: dict[str, str] = {}
    """For a server whose `headers` want something of each user: what is sent to learn what it offers."""
    sampling: bool = False
    """Lets it ask the models of MCP clients that call it at `/mcp/{server}`."""
    timeout: PositiveFloat | None = None
    idle_timeout: PositiveFloat | None = None
    start_timeout: PositiveFloat | None = None
    needs: list[str] = []
    """Paths without which it is not started, so that its absence is told in plain words."""


class ServerEntry(BaseModel):
    """One server, in the words that other MCP clients use. Keys that they alone know are let be."""

    model_config = ConfigDict(extra="allow")

    type: TransportName | None = None
    transport: TransportName | None = None
    command: str | None = Field(None, min_length=1)
    args: list[str] = []
    env: dict[str, str] = {}
    cwd: str | None = None
    url: str | None = Field(None, pattern=r"^https?://")
    headers: dict[str, str] = {}
    disabled: bool = False
    timeout: float | None = Field(None, gt=0, le=3600)
    """Seconds."""
    ours: Ours = Field(default_factory=Ours, alias="x-open-agent")

    @model_validator(mode="after")
    def _one_way_to_reach_it(self) -> Self:
        if (self.command is None) == (self.url is None):
            raise ValueError("expected either `command` (a program to start) or `url` (a server to reach)")
        if (self.kind == "stdio") != (self.command is not None):
            raise ValueError(f"the transport {self.kind} goes with {'`command`' if self.kind == 'stdio' else '`url`'}")
        if self.ours.list_headers and not (self.user_headers or (self.ours.auth and self.ours.auth.per_user)):
            raise ValueError("`list_headers` goes with `${user:NAME}` in `headers`, or with `per_user` in `auth`")
        if self.user_headers and (self.kind == "stdio" or self.ours.bearer_file):
            raise ValueError("`${user:NAME}` goes with `url`, and not with `bearer_file`")
        if self.ours.auth and (self.kind == "stdio" or self.ours.bearer_file or self.user_headers):
            raise ValueError("`auth` goes with `url`, and not with `bearer_file` or `${user:NAME}`")
        return self

    @property
    def user_headers(self) -> dict[str, str]:
        return {name: text for name, text in self.headers.items() if wanted_of_user(text)}

    @property
    def kind(self) -> Transport:
        named = self.type or self.transport
        return _TRANSPORTS[named] if named else "stdio" if self.command is not None else "http"


class ServersFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="allow")

    mcp_servers: dict[str, ServerEntry] = Field({}, alias="mcpServers")
    servers: dict[str, ServerEntry] = {}

    @model_validator(mode="after")
    def _names_servers(self) -> Self:
        if not {"mcpServers", "mcp_servers", "servers"} & self.model_fields_set:
            raise ValueError('expected `{"mcpServers": {"name": {"command": …}}}`')
        if twice := self.mcp_servers.keys() & self.servers.keys():
            raise ValueError(f"named in `mcpServers` and in `servers`: {', '.join(sorted(twice))}")
        return self


def build_config(name: str, entry: ServerEntry, written: JsonValue, variables: Mapping[str, str]) -> ServerConfig:
    """Returns what is needed to run the server; `written` is its entry before variables were filled in."""
    ours = entry.ours
    headers = {name: text for name, text in entry.headers.items() if name not in entry.user_headers}
    secrets = build_secrets(written, entry.env, [*headers.values(), *ours.list_headers.values()], variables)
    return ServerConfig(
        name=name,
        transport=entry.kind,
        command=(entry.command, *entry.args) if entry.command is not None else (),
        env={**_inherited(ours, variables), **entry.env},
        cwd=entry.cwd,
        url=entry.url or "",
        headers=headers,
        user_headers=entry.user_headers,
        list_headers=ours.list_headers,
        bearer_file=ours.bearer_file,
        oauth=ours.auth.build() if ours.auth else None,
        private=ours.grant.private,
        prefix=name if ours.prefix is None else ours.prefix,
        allow=tuple(ours.allow),
        deny=tuple(ours.deny),
        repeatable=tuple(ours.repeatable),
        sandbox="auto" if ours.dangerous and ours.sandbox == "none" and not ours.allow_unsandboxed else ours.sandbox,
        grants=ours.grant.build(),
        dangerous=ours.dangerous and not ours.allow_unsandboxed,
        required=ours.required,
        samples=ours.sampling,
        timeout=ours.timeout or entry.timeout,
        idle_timeout=ours.idle_timeout,
        start_timeout=ours.start_timeout,
        obstacle=_obstacle(entry, ours.needs),
        secrets=secrets.union(ours.auth.secrets if ours.auth else ()),
    )


def _inherited(ours: Ours, variables: Mapping[str, str]) -> dict[str, str]:
    """Returns the few variables that every server has of ours; one in a sandbox has a home of its own."""
    boxed = ours.sandbox != "none" or ours.dangerous
    return {key: variables[key] for key in _INHERITED if key in variables and not (boxed and key == "HOME")}


def _obstacle(entry: ServerEntry, needs: Sequence[str]) -> str:
    if missing := [path for path in needs if not Path(path).exists()]:
        return f"it needs {missing[0]}, which is not there"
    if entry.cwd is not None and not Path(entry.cwd).is_dir():
        return f"its folder {entry.cwd} is not there"
    return ""
