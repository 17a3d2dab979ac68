"""`.env.example` and the settings agree, in names and in defaults."""

import re
from pathlib import Path

import pytest

from config.checkout import CHECKOUT
from config.settings import Settings, load_settings

EXAMPLE = (CHECKOUT / ".env.example").read_text()
SHOWN = dict(re.findall(r"^# ([A-Z][A-Z0-9_]*)=(.*)$", EXAMPLE, re.MULTILINE))


def test_every_setting_is_explained_and_every_explained_name_is_a_setting() -> None:
    assert set(SHOWN) == {name.upper() for name in Settings.model_fields if name != "environment"}


def test_the_shown_values_are_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("MODEL_DIR", raising=False)
    shown = tmp_path / ".env"
    # The provider is named last of what decides it, so showing Ollama's address does not choose Ollama.
    shown.write_text("".join(f"{name}={value}\n" for name, value in SHOWN.items()))
    assert load_settings(shown).model_dump() == load_settings(None).model_dump()


def test_the_example_is_valid_as_it_is(tmp_path: Path) -> None:
    copy = tmp_path / ".env"
    copy.write_text(EXAMPLE)
    assert load_settings(copy).model_dump() == load_settings(None).model_dump()


def test_every_setting_has_words_above_it() -> None:
    blocks = EXAMPLE.split("\n\n")
    silent = [block for block in blocks if re.match(r"# [A-Z][A-Z0-9_]*=", block)]
    assert silent == []
