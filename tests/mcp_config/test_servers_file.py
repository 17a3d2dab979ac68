"""The servers file: formats people have, variables, and mistakes told with their place."""

import json
from pathlib import Path

import pytest

from config.errors import ConfigError, InvalidFile
from mcp_config.entries.login_terms import OAuth
from mcp_config.entries.server_config import ServerConfig
from mcp_config.entries.servers_file import build_servers, load_servers

VARIABLES = {"HOME": "/home/a", "PATH": "/bin", "OTHER": "not inherited", "API_TOKEN": "s3cret-token", "EMPTY": ""}


def read(**servers: object) -> dict[str, ServerConfig]:
    configs = build_servers("servers.json", json.dumps({"mcpServers": servers}), VARIABLES)
    return {config.name: config for config in configs}


def mistakes(text: str) -> str:
    with pytest.raises(InvalidFile) as error:
        build_servers("servers.json", text, VARIABLES)
    return str(error.value)


def test_program_is_read_with_a_clean_environment() -> None:
    config = read(fs={"command": "npx", "args": ["-y", "fs"], "env": {"A": "1"}, "cwd": "/"})["fs"]
    assert config == ServerConfig(
        "fs", "stdio", ("npx", "-y", "fs"), {"HOME": "/home/a", "PATH": "/bin", "A": "1"}, "/", prefix="fs"
    )


@pytest.mark.parametrize("alias", ["http", "streamable-http", "streamable_http", "streamableHttp"])
def test_address_is_read_with_any_name_for_streamable_http(alias: str) -> None:
    entry = {"url": "https://x.test/mcp", "headers": {"Authorization": "Bearer ${API_TOKEN}"}}
    config = read(a={**entry, "type": alias}, b={**entry, "transport": alias}, c=entry)
    assert {c.transport for c in config.values()} == {"http"}
    assert config["a"].headers == {"Authorization": "Bearer s3cret-token"}


def test_vs_code_format_is_read() -> None:
    text = json.dumps({"inputs": [], "servers": {"a": {"type": "stdio", "command": "x"}}})
    assert [config.name for config in build_servers("mcp.json", text, {})] == ["a"]


def test_disabled_server_is_left_out_and_its_variables_are_not_needed() -> None:
    assert read(a={"command": "x", "args": ["${NOWHERE}"], "disabled": True}) == {}


def test_variables_are_filled_everywhere_and_only_once() -> None:
    entry = {
        "command": "${HOME}/x",
        "args": ["${env:HOME}", "${NOT_SET:-default}", "${EMPTY:-instead}", "${EMPTY}", "$HOME", "pa$$"],
        "env": {"A": "${OTHER}"},
        "cwd": "${HOME}",
    }
    config = read(a=entry)["a"]
    assert config.command == ("/home/a/x", "/home/a", "default", "instead", "", "$HOME", "pa$$")
    assert config.env["A"] == "not inherited"
    assert config.cwd == "/home/a"


def test_undefined_variable_names_file_line_server_and_key() -> None:
    text = '{\n\t"mcpServers": {\n\t\t"gh": {\n\t\t\t"command": "x",\n\t\t\t"env": {"T": "${GH_TOKEN}"}\n\t\t}\n\t}\n}'
    assert mistakes(text) == (
        "servers.json:5: mcpServers.gh.env.T: ${GH_TOKEN} is not defined; set GH_TOKEN, or write ${GH_TOKEN:-default}"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"mcpServers": {"a": {"command": "x",}}}', "servers.json:1: is not JSON"),
        (
            '{"mcpServers":\n {"a": {"command": "x", "args": "y"}}}',
            "servers.json:2: mcpServers.a.args: expected a list",
        ),
        ('{"mcpServers": {"a": {}}}', "mcpServers.a: expected either `command` (a program to start) or `url`"),
        ('{"mcpServers": {"a": {"command": "x", "url": "http://x"}}}', "expected either `command`"),
        ('{"mcpServers": {"a": {"url": "http://x", "type": "stdio"}}}', "the transport stdio goes with `command`"),
        ('{"mcpServers": {"a": {"command": "x", "type": "ws"}}}', "mcpServers.a.type: expected 'stdio'"),
        ('{"mcpServers": {"a": {"command": "x", "x-open-agent": {"alow": []}}}}', "did you mean allow?"),
        ('{"mcpServers": {"a": {"command": "${input:key}"}}}', "'${input:key}' is no reference"),
        ('{"a": {"command": "x"}}', 'expected `{"mcpServers"'),
        ("[1]", "expected a mapping"),
        ('{"mcpServers": {"a": {"command": "x"}, "a": {"command": "y"}}}', "is given already on line 1"),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, words: str) -> None:
    assert words in mistakes(text)


def test_missing_file_is_told() -> None:
    with pytest.raises(ConfigError, match=r"none\.json: there is no such file; MCP_SERVERS names it"):
        load_servers("/nowhere/none.json", {})


def test_source_may_be_the_json_itself_or_a_path(tmp_path: Path) -> None:
    text = '{"mcpServers": {"a": {"command": "x"}}}'
    (tmp_path / "s.json").write_text(text)
    assert load_servers(text, {}) == load_servers(str(tmp_path / "s.json"), {})


def test_our_own_keys_are_read() -> None:
    ours = {"allow": ["r*"], "deny": ["rm"], "prefix": "", "repeatable": ["read"], "required": True, "timeout": 3}
    config = read(a={"command": "x", "timeout": 9, "x-open-agent": ours})["a"]
    assert [config.offers(tool) for tool in ("read", "rm", "write")] == [True, False, False]
    assert (config.prefix, config.required, config.timeout, config.repeats("read")) == ("", True, 3, True)


def test_server_whose_needs_cannot_be_met_is_not_started() -> None:
    servers = read(
        git={"command": "x", "x-open-agent": {"needs": ["/nowhere/.git"]}},
        lost={"command": "x", "cwd": "/nowhere"},
    )
    assert servers["git"].obstacle == "it needs /nowhere/.git, which is not there"
    assert servers["lost"].obstacle == "its folder /nowhere is not there"


def test_secrets_are_known_by_where_they_come_from() -> None:
    entry = {
        "command": "x",
        "args": ["--token", "${API_TOKEN}"],
        "env": {"DB_PASSWORD": "hunter2!", "MODE": "plain-text"},
    }
    config = read(a=entry, b={"url": "http://x", "headers": {"Authorization": "Bearer abcdefgh"}})
    assert config["a"].without_secrets("s3cret-token hunter2! plain-text") == "[secret] [secret] plain-text"
    assert config["b"].without_secrets("got abcdefgh") == "got [secret]"
    assert "s3cret" not in repr(config["b"])


def test_unknown_keys_and_grants_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    read(a={"command": "x", "autoApprove": ["*"], "icon": "y"})
    assert "a.autoApprove grants nothing here; policies decide" in caplog.text
    assert "a.icon is not used here" in caplog.text


def test_what_is_each_users_own_stays_to_be_filled_and_is_no_secret_of_the_file() -> None:
    entry = {
        "url": "http://127.0.0.1/mcp",
        "headers": {"Authorization": "Bearer ${user:TOKEN}", "X-Team": "${TEAM_KEY}"},
        "x-open-agent": {"list_headers": {"Authorization": "Bearer ${LISTING}"}},
    }
    [server] = load_servers(json.dumps({"mcpServers": {"desk": entry}}), {"TEAM_KEY": "team-key", "LISTING": "listing"})
    assert (server.credentials, server.headers) == (("TOKEN",), {"X-Team": "team-key"})
    assert "listing" in server.secrets
    assert not [secret for secret in server.secrets if "user:" in secret]
    own = server.for_user({"TOKEN": "umas ${user:TOKEN}"})
    assert (own.headers["Authorization"], own.list_headers) == ("Bearer umas ${user:TOKEN}", {})


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"command": "x", "headers": {"A": "${user:T}"}}, "goes with `url`"),
        (
            {"url": "http://h/", "headers": {"A": "${user:T}"}, "x-open-agent": {"bearer_file": "/k"}},
            "not with `bearer_",
        ),
        ({"url": "http://h/", "x-open-agent": {"list_headers": {"A": "b"}}}, "`list_headers` goes with"),
        ({"url": "http://h/${user:T}"}, "is no reference"),
        ({"command": "x", "x-open-agent": {"auth": "oauth"}}, "`auth` goes with `url`"),
        (
            {"url": "http://h/", "headers": {"A": "${user:T}"}, "x-open-agent": {"auth": "oauth"}},
            "`auth` goes with `url`",
        ),
        (
            {"url": "http://h/", "x-open-agent": {"auth": {"client_id": "i", "client_secret": "s"}}},
            "with the `issuer`",
        ),
        ({"url": "http://h/", "x-open-agent": {"auth": {"grant": "client_credentials"}}}, "needs `client_secret`"),
    ],
)
def test_what_is_each_users_own_has_its_place_in_headers(entry: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidFile, match=said):
        load_servers(json.dumps({"mcpServers": {"desk": entry}}), {})


def test_how_a_server_is_logged_in_to_is_read_with_its_secret_filled_in() -> None:
    auth = {"client_id": "us", "client_secret": "${DESK_SECRET}", "issuer": "https://a.example", "scopes": ["read"]}
    entry = {"url": "https://h.example/", "x-open-agent": {"auth": auth}}
    plain = {"url": "https://p.example/", "x-open-agent": {"auth": "oauth"}}
    known, unknown = load_servers(
        json.dumps({"mcpServers": {"desk": entry, "plain": plain}}), {"DESK_SECRET": "filled-in-value"}
    )
    assert known.oauth == OAuth(
        client_id="us", client_secret="filled-in-value", issuer="https://a.example", scopes=("read",)
    )
    assert "filled-in-value" in known.secrets
    assert "filled-in-value" not in repr(known)
    assert unknown.oauth == OAuth()
