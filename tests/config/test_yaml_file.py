"""YAML files: every mistake is told with file, line and key, and nothing dangerous is taken."""

from pathlib import Path

import pytest

from config.agents import AgentsFile, load_agents
from config.checkout import CHECKOUT, shown_path
from config.errors import ConfigError, InvalidFile, UnreadableFile
from config.policies import ToolPolicies, load_policies
from config.text_file import MAX_BYTES
from config.yaml_file import load_yaml

AGENTS = """\
agents:
  - {id: router, role: router, name: n, description: d, system_prompt: s}
  - {id: general, name: n, description: d, system_prompt: s}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.yaml"


def complaints(path: Path, text: str, model: type[AgentsFile | ToolPolicies] = AgentsFile) -> list[str]:
    """The lines that a person is shown, without the folder of the file."""
    path.write_text(text)
    with pytest.raises(InvalidFile) as caught:
        load_yaml(path, model)
    return [line.replace(f"{path}", "a.yaml") for line in str(caught.value).splitlines()]


def test_a_right_file_is_read(path: Path) -> None:
    path.write_text(AGENTS)
    assert [agent.id for agent in load_agents(path).agents] == ["router", "general"]


def test_the_files_that_are_shipped_are_right() -> None:
    assert load_agents(CHECKOUT / "config" / "agents.yaml").agents
    assert load_policies(CHECKOUT / "config" / "tool_policies.yaml").rules


def test_every_mistake_of_a_file_is_told_at_once_in_the_order_of_its_lines(path: Path) -> None:
    text = """\
models:
  fast: 5
  strong: [1]
agents:
  - id: Router
    name: 5
    descripton: x
    model: 7
    allowed_tools: x
    policies: {redact: [emial], limits: {steps: x}, sqll: 1}
  - text
  - id: x
    name: n
    description: d
    system_prompt: s
    model: [ok, 5]
    enabled: "perhaps"
tol: 1
"""
    assert complaints(path, text) == [
        "a.yaml:2: models.fast: expected text or a list, got a number",
        "a.yaml:3: models.strong[0]: expected text, got a number",
        "a.yaml:5: agents[0].id: expected text like ^[a-z][a-z0-9-]{0,62}$, got 'Router'",
        "a.yaml:5: agents[0].description: is missing",
        "a.yaml:5: agents[0].system_prompt: is missing",
        "a.yaml:6: agents[0].name: expected text, got a number",
        "a.yaml:7: agents[0].descripton: unknown key; did you mean description?",
        "a.yaml:8: agents[0].model: expected text or a list, got a number",
        "a.yaml:9: agents[0].allowed_tools: expected a list, got text",
        "a.yaml:10: agents[0].policies.redact[0]: expected 'email', 'phone', 'card', 'iban' or 'ip', got 'emial'",
        "a.yaml:10: agents[0].policies.limits.steps: expected a whole number, got text",
        "a.yaml:10: agents[0].policies.sqll: unknown key; did you mean sql?",
        "a.yaml:11: agents[1]: expected a mapping, got text",
        "a.yaml:16: agents[2].model[1]: expected text, got a number",
        "a.yaml:17: agents[2].enabled: expected true or false, got text",
        "a.yaml:18: tol: unknown key; known are agents, models, prices",
    ]


def test_a_mistake_under_a_glob_names_it_in_quotes(path: Path) -> None:
    text = 'rules:\n  - {match: "*", verdict: alow}\ntools:\n  "git__*":\n    timeout: -1\n'
    assert complaints(path, text, ToolPolicies) == [
        "a.yaml:2: rules[0].verdict: expected 'allow', 'ask' or 'deny', got 'alow'",
        'a.yaml:5: tools["git__*"].timeout: should be greater than 0',
    ]


def test_globs_rates_and_pointers_of_policies_say_what_they_want(path: Path) -> None:
    text = """\
rules:
  - {match: "mail__[a", verdict: deny}
  - {match: "[!a-c]__*", users: ["team[]]", "x[[]"], agents: ["sql[-agent"], verdict: deny}
  - {match: "*", when: [{argument: url, matches: "[*"}], verdict: allow}
tools: {"fetch__[*": {rate: 30 per minute}}
"""
    assert complaints(path, text, ToolPolicies) == [
        "a.yaml:2: rules[0].match: the [ in 'mail__[a' is never closed; a set is [ab], the sign itself [[]",
        "a.yaml:3: rules[1].agents[0]: the [ in 'sql[-agent' is never closed; a set is [ab], the sign itself [[]",
        "a.yaml:4: rules[2].when[0].argument: expected a JSON pointer, such as /url or /to/0, got 'url'",
        "a.yaml:5: tools[\"fetch__[*\"]: the [ in 'fetch__[*' is never closed; a set is [ab], the sign itself [[]",
        'a.yaml:5: tools["fetch__[*"].rate: '
        "expected calls per second, minute, hour or day, such as 30/minute, got '30 per minute'",
    ]


def test_a_rule_over_the_whole_file_names_its_place(path: Path) -> None:
    assert complaints(path, AGENTS + AGENTS.removeprefix("agents:\n")) == [
        "a.yaml:1: agent ids must be unique; given twice: general, router"
    ]
    assert complaints(path, AGENTS + "  - {id: tools, name: n, description: d, system_prompt: s}\n") == [
        "a.yaml:4: agents[2]: the id 'tools' is reserved; choose another"
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "a.yaml:1: expected a mapping, got nothing"),
        ("- a", "a.yaml:1: expected a mapping, got a list"),
        ("models: {}\nagents: []\nmodels: {}", "a.yaml:3: models: is given already on line 1"),
        ("models: {}\nyes: 1", "a.yaml:2: expected text as a key, got true or false; put it in quotes"),
        ("? [a]\n: 1", "a.yaml:1: expected text as a key, got a list; put it in quotes"),
        ("<<: {}\nagents: []", 'a.yaml:1: ["<<"]: unknown key; known are agents, models, prices'),
        ("a: 1\nb: 2026-01-01", "a.yaml:2: b: reads as a date; put text in quotes"),
        ("b: 2026-13-01", "a.yaml:1: b: month must be in 1..12; put text in quotes"),
        ("a: !!python/object/apply:os.system [x]", "a.yaml:1: tags (!) are not taken here; put text in quotes"),
        ("a: 1\nb: !x y", "a.yaml:2: tags (!) are not taken here; put text in quotes"),
        ("a: &x 1\nb: *x", "a.yaml:1: anchors (&) and aliases (*) are not taken here; write it out, or in quotes"),
        (
            "a: *",
            "a.yaml:1: is not YAML: expected alphabetic or numeric character, but found '\\x00'; "
            "put text that begins with * or & in quotes",
        ),
        ("a: 1\n---\nb: 2", "a.yaml:2: is not YAML: but found another document"),
        ("a: 1\n\tb: 2", "a.yaml:2: is not YAML: found character '\\t' that cannot start any token"),
        ("a: 1\nb: \x01", "a.yaml:2: holds a character that YAML does not allow"),
    ],
)
def test_what_is_not_plain_yaml_is_refused_with_its_line(path: Path, text: str, complaint: str) -> None:
    assert complaints(path, text) == [complaint]


def test_a_bomb_costs_nothing(path: Path) -> None:
    lol = "a: &a [x, x]\n" + "".join(
        f"{b}: &{b} [*{a}, *{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert complaints(path, lol) == [
        "a.yaml:1: anchors (&) and aliases (*) are not taken here; write it out, or in quotes"
    ]
    assert complaints(path, "[" * 100_000) == ["a.yaml:1: is nested more than 40 levels deep"]


def test_a_file_that_cannot_be_read_is_named(path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"a\.yaml: there is no such file"):
        load_agents(path)
    with pytest.raises(UnreadableFile, match="cannot be read: Is a directory"):
        load_agents(path.parent)
    path.write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(UnreadableFile, match=r"a\.yaml:2: is not UTF-8 text; save it as UTF-8"):
        load_agents(path)
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(UnreadableFile, match="is over 1 MB"):
        load_agents(path)


def test_a_file_of_the_checkout_is_named_shortly() -> None:
    assert shown_path(CHECKOUT / "config" / "agents.yaml") == "config/agents.yaml"
    with pytest.raises(ConfigError, match=r"^config/none\.yaml: there is no such file$"):
        load_agents(CHECKOUT / "config" / "none.yaml")
