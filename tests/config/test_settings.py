"""Settings: where they come from, what they become, and how a mistake in them is told."""

import os
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from config.api_keys import ApiKey
from config.checkout import CHECKOUT
from config.database_url import async_database_url
from config.errors import ConfigError, InvalidSettings
from config.settings import Settings, load_settings


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def complaints(env_file: Path | None, **given: object) -> list[str]:
    """The lines that a person is shown, without the folder of the file."""
    with pytest.raises(ConfigError) as caught:
        load_settings(env_file, **given)
    return [line.replace(f"{env_file}", ".env") for line in str(caught.value).splitlines()]


def test_nothing_configured_means_the_embedded_model_and_sqlite_in_the_checkout() -> None:
    settings = load_settings(None)
    assert settings.default_selector == "embedded:qwen2.5-coder-1.5b"
    assert settings.database_url == f"sqlite:///{CHECKOUT}/data/app.db"
    assert settings.agents_file == CHECKOUT / "config" / "agents.yaml"
    assert settings.mcp_servers == str(CHECKOUT / "mcp_config" / "servers.json")
    assert (settings.host, settings.port, settings.api_keys) == ("127.0.0.1", 8000, ())


def test_code_beats_the_environment_which_beats_the_file(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file.write_text("HOST=file\nPORT=1\nLOG_LEVEL=DEBUG\n")
    monkeypatch.setenv("HOST", "environment")
    monkeypatch.setenv("PORT", "2")
    settings = load_settings(env_file, port=3)
    assert (settings.host, settings.port, settings.log_level) == ("environment", 3, "debug")


def test_an_empty_value_counts_as_unset(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file.write_text("PORT=1\nHOST=\nOPENAI_API_KEY=\n")
    monkeypatch.setenv("PORT", "")
    settings = load_settings(env_file)
    assert (settings.host, settings.port, settings.model_provider) == ("127.0.0.1", 1, "embedded")


@pytest.mark.parametrize(
    ("given", "selector"),
    [
        ({"openai_api_key": "k"}, "openai:gpt-5-mini"),
        ({"openai_base_url": "http://127.0.0.1:1/v1/"}, "openai:gpt-5-mini"),
        ({"openai_api_key": "k", "ollama_base_url": "http://o"}, "openai:gpt-5-mini"),
        ({"ollama_base_url": "http://o"}, "ollama:qwen3"),
        ({"ollama_base_url": "http://o", "default_model": "llama3:8b"}, "ollama:llama3:8b"),
        (
            {"azure_openai_endpoint": "https://a", "azure_openai_api_key": "k", "azure_openai_deployment": "mine"},
            "azure:mine",
        ),
        ({"openai_api_key": "k", "model_provider": "embedded"}, "embedded:qwen2.5-coder-1.5b"),
    ],
)
def test_the_first_configured_provider_is_meant_when_none_is_named(given: dict[str, object], selector: str) -> None:
    assert load_settings(None, **given).default_selector == selector


def test_a_provider_without_what_it_needs_is_told_what_to_set() -> None:
    assert complaints(None, model_provider="openai") == [
        "environment: MODEL_PROVIDER=openai needs OPENAI_API_KEY, or OPENAI_BASE_URL for a server that asks for no key"
    ]
    assert complaints(None, azure_openai_endpoint="https://a") == [
        "environment: MODEL_PROVIDER=azure needs AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY"
    ]
    assert complaints(None, default_model="openai:gpt-5") == [
        "environment: DEFAULT_MODEL is the model's name alone; MODEL_PROVIDER says whose it is"
    ]


def test_every_mistake_is_told_at_once_with_its_line(env_file: Path) -> None:
    env_file.write_text(
        "# mine\n\nPORT=abc\nexport LOG_LEVEL=loud\nMODEL_PROVDER=openai\n"
        "API_KEYS=first, alice=boss:hunter2\nDATABASE_URL=mysql://me:hunter2@host/db\nTOOL_TIMEOUT=0\n"
    )
    assert complaints(env_file) == [
        ".env:3: PORT: expected a whole number, got 'abc'",
        ".env:4: LOG_LEVEL: expected 'debug', 'info', 'warning' or 'error', got 'loud'",
        ".env:5: MODEL_PROVDER: is no setting, and no MCP server refers to it; did you mean MODEL_PROVIDER?",
        ".env:6: API_KEYS: entry 2: expected one of the roles user, admin, service before the colon",
        ".env:7: DATABASE_URL: expected sqlite:///path/to/file.db or postgresql://user:password@host/database",
        ".env:8: TOOL_TIMEOUT: should be greater than 0",
    ]


def test_a_mistake_in_the_environment_or_in_code_says_so(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file.write_text("PORT=1\n")
    monkeypatch.setenv("PORT", "abc")
    assert complaints(env_file) == ["environment: PORT: expected a whole number, got 'abc'"]
    assert complaints(env_file, port=70000) == ["settings: PORT: should be less than or equal to 65535"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("PORT=1\nPORT=2\n", ".env:2: PORT: is given already on line 1"),
        ("\n\nPORT\n", ".env:3: expected NAME=value"),
        ('A="open\n', ".env:1: expected NAME=value"),
    ],
)
def test_a_line_that_cannot_be_meant_is_refused(env_file: Path, text: str, complaint: str) -> None:
    env_file.write_text(text)
    assert complaints(env_file) == [complaint]


def test_a_file_that_is_not_text_is_refused(env_file: Path) -> None:
    env_file.write_bytes(b"PORT=\xff\xfe\n")
    assert complaints(env_file) == [".env:1: is not UTF-8 text; save it as UTF-8"]


def test_a_name_that_an_mcp_server_refers_to_may_live_in_the_file(env_file: Path, tmp_path: Path) -> None:
    servers = tmp_path / "servers.json"
    servers.write_text(
        '{"mcpServers": {"x": {"command": "x", "env": {"T": "${MY_TOKEN:-none}", "U": "${env:OTHER}"}}}}'
    )
    env_file.write_text("MY_TOKEN=hunter2\nOTHER=${MY_TOKEN}\n")
    settings = load_settings(env_file, mcp_servers=str(servers))
    assert (settings.environment["MY_TOKEN"], settings.environment["OTHER"]) == ("hunter2", "${MY_TOKEN}")
    inline = load_settings(env_file, mcp_servers='{"a": "${MY_TOKEN} ${OTHER}"}')
    assert inline.mcp_servers == '{"a": "${MY_TOKEN} ${OTHER}"}'
    assert complaints(env_file, mcp_servers="{}")[0].startswith(".env:1: MY_TOKEN: is no setting")


def test_what_docker_compose_wants_may_live_in_the_file_too(env_file: Path) -> None:
    env_file.write_text("COMPOSE_PROFILES=postgres\nPOSTGRES_PASSWORD=hunter2\n")
    assert load_settings(env_file).database_url.startswith("sqlite:")


def test_mcp_servers_are_told_the_folders_that_are_in_force(tmp_path: Path) -> None:
    environment = Settings(_env_file=None, data_dir=tmp_path, environment={"TOKEN": "t"}).environment
    assert environment["TOKEN"] == "t"
    assert environment["DATA_DIR"] == str(tmp_path)
    assert environment["LOG_FOLDERS"] == str(tmp_path / "logs")
    assert environment["DOCS_FOLDERS"] == f"{CHECKOUT / 'README.md'}{os.pathsep}{CHECKOUT / 'docs'}"
    assert "SQL_AGENT_DATABASE_URL" not in environment


def test_paths_are_relative_to_the_checkout_and_home_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    settings = load_settings(None, data_dir=Path("kept"), docs_folders="a, ~/b")
    assert settings.data_dir == CHECKOUT / "kept"
    assert settings.docs_folders == [CHECKOUT / "a", tmp_path / "b"]
    assert settings.model_dir == tmp_path / ".cache" / "open-agent" / "models"


@pytest.mark.parametrize(
    ("written", "plain", "driven"),
    [
        ("sqlite:///data/app.db", f"sqlite:///{CHECKOUT}/data/app.db", f"sqlite+aiosqlite:///{CHECKOUT}/data/app.db"),
        ("sqlite:////srv/a.db", "sqlite:////srv/a.db", "sqlite+aiosqlite:////srv/a.db"),
        (
            "sqlite:////srv/a.db?max_page_count=9",
            "sqlite:////srv/a.db?max_page_count=9",
            "sqlite+aiosqlite:////srv/a.db?max_page_count=9",
        ),
        ("sqlite+aiosqlite:////srv/a.db", "sqlite:////srv/a.db", "sqlite+aiosqlite:////srv/a.db"),
        ("postgres://u:p@h/d?x=1", "postgresql://u:p@h/d?x=1", "postgresql+psycopg://u:p@h/d?x=1"),
        ("postgresql+psycopg://u@h/d", "postgresql://u@h/d", "postgresql+psycopg://u@h/d"),
    ],
)
def test_database_addresses_are_taken_as_people_write_them(written: str, plain: str, driven: str) -> None:
    parsed = load_settings(None, database_url=written).database_url
    assert (parsed, async_database_url(parsed)) == (plain, driven)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "data/app.db", ""])
def test_a_database_address_without_a_lasting_file_is_refused(url: str) -> None:
    with pytest.raises(InvalidSettings, match=r"DATABASE_URL: expected .*sqlite:///"):
        load_settings(None, database_url=url)


@pytest.mark.parametrize("options", ["mode=ro", "max_page_count=", "max_page_count=0", "max_page_count=1&mode=ro", ""])
def test_a_sqlite_address_takes_no_other_option_than_its_limit(options: str) -> None:
    with pytest.raises(InvalidSettings, match=r"DATABASE_URL: expected nothing after \? but max_page_count"):
        load_settings(None, database_url=f"sqlite:////srv/a.db?{options}")


def test_api_keys_have_names_and_roles() -> None:
    keys = load_settings(None, api_keys="bare, alice=user:k1,service:k2,bob=k3==,").api_keys
    assert keys == (
        ApiKey("admin", "admin", SecretStr("bare")),
        ApiKey("alice", "user", SecretStr("k1")),
        ApiKey("service", "service", SecretStr("k2")),
        ApiKey("bob", "admin", SecretStr("k3==")),
    )


@pytest.mark.parametrize("text", ["a=user:", "a b", "a=user:x:y", "k,alice=k"])
def test_a_key_that_does_not_fit_is_refused_without_showing_it(text: str) -> None:
    (line,) = complaints(None, api_keys=text)
    assert line.startswith("settings: API_KEYS: entr")
    assert "x:y" not in line


def test_secrets_are_not_in_the_text_of_settings_or_of_their_errors() -> None:
    settings = load_settings(
        None, api_keys="hunter2", openai_api_key="hunter2", database_url="postgresql://u:hunter2@h/d",
        sql_agent_database_url="postgresql://u:hunter2@h/d", mcp_servers='{"a": "hunter2"}',
        environment={"TOKEN": "hunter2"},
    )  # fmt: skip
    assert "hunter2" not in repr(settings) + str(settings)
    with pytest.raises(ValidationError) as caught:
        Settings(_env_file=None, api_keys="hunter2 hunter2")
    assert "hunter2" not in str(caught.value)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_settings(None).port = 1  # type: ignore[misc]
