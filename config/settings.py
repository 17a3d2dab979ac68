"""All that the product is told by its environment and by `.env`: the one reader of both.

Each setting is the upper-case name of a field below; `.env.example` explains them to users, and a test keeps the two
equal. An empty value counts as unset. Values given in code beat the environment, which beats `.env`.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, assert_never

from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from typing_extensions import override

from config.auth_settings import AuthSettings
from config.checkout import CHECKOUT
from config.env_file import load_env_file
from config.env_source import EnvSource, build_file_values, unknown_entries
from config.errors import InvalidSettings
from config.setting_types import (
    AnyCase,
    DatabaseUrl,
    FilePath,
    FilePaths,
    Names,
    PathOrJson,
    PublicAddress,
    RedisUrl,
    Seconds,
    WebAddress,
)
from config.settings_mistakes import Origin, in_order

ENV_FILE: Final = CHECKOUT / ".env"

ModelProvider = Literal["embedded", "openai", "azure", "ollama"]

EMBEDDED_MODEL: Final = "qwen2.5-coder-1.5b"
_DEFAULT_MODELS: Final[Mapping[str, str]] = {
    "embedded": EMBEDDED_MODEL,
    "openai": "gpt-5-mini",
    "azure": "gpt-5-mini",
    "ollama": "qwen3",
}


def _default_provider(given: Mapping[str, object]) -> ModelProvider:
    if given.get("openai_api_key") or given.get("openai_base_url"):
        return "openai"
    if given.get("azure_openai_endpoint"):
        return "azure"
    return "ollama" if given.get("ollama_base_url") else "embedded"


def _default_model(checked: Mapping[str, object]) -> str:
    provider = str(checked["model_provider"])
    deployment = checked["azure_openai_deployment"] if provider == "azure" else None
    return str(deployment or _DEFAULT_MODELS[provider])


def _default_model_dir() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "open-agent" / "models"


class Settings(AuthSettings):
    """The settings, checked. Relative paths are relative to the checkout, whatever the current folder is."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)

    # Where it listens
    host: str = "127.0.0.1"
    """The address to listen on; only this machine reaches the default."""
    port: int = Field(default=8000, ge=0, le=65535)
    """0 takes a free port."""
    max_body_bytes: int = Field(default=10_000_000, gt=0)
    """A request with a larger body is refused."""
    request_timeout: Seconds = 30
    """Seconds a client may take to send a request: first its headers, then its body."""
    max_connections: int = Field(default=4_000, gt=0)
    """Connections that are open at once, readers of streams and WebSockets among them; one more is answered 503."""
    public_url: PublicAddress | None = None
    """Where people's browsers reach it: authorization servers send them back there. Unset: `host` and `port`."""
    mcp_allowed_hosts: Names = Field(["localhost", "127.0.0.1", "[::1]"])
    """The names by which MCP clients may reach `/mcp`, with any port; `host` is always one."""
    mcp_allowed_origins: Names = Field(["http://localhost", "http://127.0.0.1"])
    """The web pages from which browsers may reach `/mcp`, with any port."""
    mcp_sessions_per_caller: int = Field(default=100, gt=0)
    """Sessions that one caller may have open at `/mcp`; one more is answered 429."""
    mcp_session_idle_seconds: float = Field(default=1800, gt=0, le=604_800)
    """Seconds after which a session at `/mcp` that its client does not use ends."""

    # Where it keeps things
    data_dir: FilePath = Path("data")
    """Database, checkpoints, the generated key."""
    database_url: DatabaseUrl = Field(
        default_factory=lambda checked: f"sqlite:///{checked['data_dir'] / 'app.db'}", repr=False
    )
    """`sqlite:///file` or `postgresql://…`; by default `app.db` in `data_dir`."""
    redis_url: RedisUrl | None = Field(default=None, repr=False)
    """Where rate limits are counted for several processes together; without it each counts its own calls."""
    retention_days: int = Field(default=30, ge=0, le=36_500)
    """How long is kept what ended runs did: events, steps, tool calls, artifacts. Conversations stay. 0 keeps all."""
    temporary_hours: int = Field(default=24, ge=1, le=87_600)
    """How long temporary chats are kept."""
    model_dir: FilePath = Field(default_factory=_default_model_dir)
    """The cache for the embedded model's weights (1.1 GB)."""

    # Models
    openai_api_key: SecretStr | None = None
    openai_base_url: WebAddress | None = None
    """Any server that speaks OpenAI's API; it may ask for no key."""
    azure_openai_endpoint: WebAddress | None = None
    azure_openai_api_key: SecretStr | None = None
    azure_openai_api_version: str = "2025-04-01-preview"
    azure_openai_deployment: str | None = None
    """The deployment to use; without it, `default_model` names one."""
    ollama_base_url: WebAddress = "http://127.0.0.1:11434"
    model_provider: ModelProvider
    """Whose `default_model` is. Unset: the first of openai, azure, ollama that is configured, else embedded."""
    default_model: str = Field(default_factory=_default_model, min_length=1)
    """The model of agents that ask for `default`, by the provider's own name for it."""
    model_retries: int = Field(default=2, ge=0, le=10)
    """How often a model call is made again after a failure that passes (429, 5xx, a lost connection)."""
    model_first_token_timeout: Seconds = 120
    """Seconds a remote model may take to begin its reply."""
    model_idle_timeout: Seconds = 60
    """Seconds of silence after which a reply that has begun is given up."""

    # Agents and tools
    agents_file: FilePath = Path("config/agents.yaml")
    tool_policies_file: FilePath = Path("config/tool_policies.yaml")
    mcp_servers: PathOrJson = Field("mcp_config/servers.json", repr=False)
    """The path of a file in the `mcpServers` format, or that JSON itself."""
    server_start_timeout: Seconds = 20
    """Seconds an MCP server may take to start."""
    tool_timeout: Seconds = 30
    """Seconds for one tool call where no policy says otherwise."""
    tools_lock: FilePath = Path("mcp_config/tools.lock")
    """Tool definitions that are taken for approved. It is only read: what is approved here is kept in `data_dir`."""
    sql_agent_database_url: DatabaseUrl | None = Field(default=None, repr=False)
    """The database that the sql tools read; by default the sample shop."""
    docs_folders: FilePaths = Field([Path("README.md"), Path("docs")])
    """Folders of Markdown and text that the docs tools search."""
    log_folders: FilePaths = Field(default_factory=lambda checked: [checked["data_dir"] / "logs"])
    """The only folders in which the devops tools may read logs."""

    # Runs
    run_concurrency: int = Field(default=8, ge=1, le=1000)
    """Runs at work at the same time; others wait in the queue."""
    approval_seconds: float = Field(default=86_400, gt=0, le=31_536_000)
    """Seconds a person has to approve a tool call that policy asks about; after that it is not made."""
    completions_on_disconnect: Literal["cancel", "detach"] = "cancel"
    """What becomes of a run when the client of `/v1/chat/completions` that asked for it hangs up."""
    reader_timeout: Seconds = 30
    """Seconds a reader of a stream may take nothing before it is dropped; it can resume where it was."""
    shutdown_grace_seconds: Seconds = 20
    """Seconds in which the server has stopped after SIGTERM; less than what the container's owner grants."""

    # Its own log
    log_level: Annotated[Literal["debug", "info", "warning", "error"], AnyCase] = "info"
    log_format: Annotated[Literal["console", "json"], AnyCase] = "console"

    environment: dict[str, str] = Field(default_factory=dict, repr=False, exclude=True)
    """What `${NAME}` in `servers.json` can mean: the environment and `.env`, and the folders above. No setting."""

    @model_validator(mode="before")
    @classmethod
    def _choose_provider(cls, given: dict[str, object]) -> dict[str, object]:
        return {"model_provider": _default_provider(given), **given}

    @field_validator("environment")
    @classmethod
    def _with_checked_values(cls, environment: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        # MCP servers get these by `${NAME}`: as absolute paths, lists as PATH has them, those given in code too.
        return environment | {
            name.upper(): os.pathsep.join(map(str, value)) if isinstance(value, list) else str(value)
            for name in ("data_dir", "sql_agent_database_url", "docs_folders", "log_folders")
            if (value := info.data.get(name)) is not None
        }

    @model_validator(mode="after")
    def _provider_is_complete(self) -> Self:
        if missing := self.find_missing(self.model_provider):
            raise ValueError(f"MODEL_PROVIDER={self.model_provider} needs {missing}")
        if self.default_model.startswith(tuple(f"{provider}:" for provider in _DEFAULT_MODELS)):
            raise ValueError("DEFAULT_MODEL is the model's name alone; MODEL_PROVIDER says whose it is")
        return self

    def find_missing(self, provider: ModelProvider) -> str | None:
        """Returns which settings a provider's models need that are not set, or None."""
        match provider:
            case "openai":
                complete = self.openai_api_key or self.openai_base_url
                return None if complete else "OPENAI_API_KEY, or OPENAI_BASE_URL for a server that asks for no key"
            case "azure":
                complete = self.azure_openai_endpoint and self.azure_openai_api_key
                return None if complete else "AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY"
            case "ollama" | "embedded":
                return None
            case _:
                assert_never(provider)

    @property
    def default_selector(self) -> str:
        """What the model selector `default` stands for: `provider:name`."""
        return f"{self.model_provider}:{self.default_model}"

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, EnvSource(settings_cls, os.environ)


def load_settings(env_file: Path | None = ENV_FILE, **given: object) -> Settings:
    """Returns the settings; what is given in code beats the environment, which beats `env_file`.

    Raises:
        ConfigError: with a line for each mistake: where it is written, its name, and what was expected.
    """
    entries = load_env_file(env_file) if env_file else []
    # `Any`: each value is judged below, by its own field
    values: dict[str, Any] = build_file_values(entries, os.environ, Settings.model_fields) | given
    origin = Origin(env_file, entries, os.environ, given)
    servers = values.get("mcp_servers") or os.environ.get("MCP_SERVERS") or Settings.model_fields["mcp_servers"].default
    mistakes = origin.unknown(unknown_entries(entries, Settings.model_fields, servers), Settings.model_fields)
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise InvalidSettings(in_order([*mistakes, *origin.mistakes(error)])) from None
    if mistakes:
        raise InvalidSettings(mistakes)
    return settings
