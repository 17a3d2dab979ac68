"""API keys: generated once, kept from others, compared as hashes."""

import stat
from pathlib import Path

from pydantic import SecretStr

from config.api_keys import ApiKey
from server.keys import GENERATED_KEY_FILE, KeyRing, Principal, load_api_keys
from tests.http.serving import Served, build_settings


def test_a_key_is_generated_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    settings = build_settings(tmp_path / "data", "http://127.0.0.1:1/v1", api_keys="")
    (first,), (second,) = load_api_keys(settings), load_api_keys(settings)
    assert first == second
    assert (first.name, first.role) == ("admin", "admin")
    file = tmp_path / "data" / GENERATED_KEY_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == first.key.get_secret_value() + "\n"


def test_what_is_said_is_in_files_that_only_their_owner_reads(served: Served) -> None:
    files = [file for file in served.settings.data_dir.iterdir() if ".db" in file.suffix]
    assert {file.name for file in files} >= {"app.db", "checkpoints.db"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_configured_keys_leave_no_file(tmp_path: Path) -> None:
    settings = build_settings(tmp_path / "data", "http://127.0.0.1:1/v1")
    assert load_api_keys(settings) == settings.api_keys
    assert not (tmp_path / "data" / GENERATED_KEY_FILE).exists()


def test_a_ring_holds_no_key_in_the_clear() -> None:
    ring = KeyRing([ApiKey("ann", "admin", SecretStr("a-key"))])
    assert ring.find("a-key") == Principal("ann", "admin")
    assert ring.find("another") is None
    assert "a-key" not in repr(vars(ring))
