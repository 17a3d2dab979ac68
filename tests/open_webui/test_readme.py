"""The README beside the pipe says what is."""

import json
import re

from tests.open_webui.asking import PIPE, load_pipe

README = (PIPE.parent / "README.md").read_text(encoding="utf-8")


def test_the_headers_are_those_of_the_file() -> None:
    (told,) = re.findall(r"```json\n(.*?)```", README, re.DOTALL)
    assert json.loads(told) == json.loads((PIPE.parent / "connection-headers.json").read_text(encoding="utf-8"))


def test_every_valve_is_told_of() -> None:
    valves = set(load_pipe().Pipe.Valves.model_fields)
    rows = [line.split("|")[1] for line in README.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)} == valves


def test_every_picture_is_there_and_shown() -> None:
    shown = set(re.findall(r"\(pictures/(.*?)\)", README))
    assert shown == {path.name for path in (PIPE.parent / "pictures").iterdir()}
