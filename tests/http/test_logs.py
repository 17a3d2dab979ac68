"""What a log line shows, and what it never shows."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from config.known_secrets import find_secrets
from server.logs import Redaction
from tests.http.serving import ADMIN_KEY, USER_KEY, build_settings

SCRIPT = """
import logging, sys
import structlog
from server.logs import configure_logs
from tests.support.waiting import PATIENCE

configure_logs("info", sys.argv[1], ["s3cret-value", 'quo"ted-secret'])
log = structlog.stdlib.get_logger("server.test")
with structlog.contextvars.bound_contextvars(request_id="req_1"):
    log.info("said", text="line one\\nline two", url="https://bob:s3cret-value@example.com/")
logging.getLogger("library").warning("Authorization: Bearer abcdefghijkl %s", 'quo"ted-secret')
try:
    raise ValueError("with s3cret-value inside")
except ValueError:
    log.exception("failed")
"""


def write_log(form: str) -> str:
    done = subprocess.run([sys.executable, "-c", SCRIPT, form], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == ""
    return done.stderr


def test_json_logs_are_one_object_per_line() -> None:
    lines = [json.loads(line) for line in write_log("json").splitlines()]
    assert [(line["event"], line["level"], line["logger"]) for line in lines] == [
        ("said", "info", "server.test"),
        ("Authorization: Bearer [hidden] [hidden]", "warning", "library"),
        ("failed", "error", "server.test"),
    ]
    assert lines[0]["request_id"] == "req_1"
    assert "with [hidden] inside" in lines[2]["exception"]


@pytest.mark.slow
def test_no_secret_is_seen_in_either_form() -> None:
    for form in ("json", "console"):
        written = write_log(form)
        assert "s3cret" not in written
        assert "ted-secret" not in written
        assert "abcdefghijkl" not in written


def test_every_configured_secret_is_known(tmp_path: Path) -> None:
    settings = build_settings(tmp_path, "http://127.0.0.1:1/v1", environment={"GITHUB_TOKEN": "ghp_1", "HOME": "/x"})
    assert find_secrets(settings, settings.api_keys) >= {ADMIN_KEY, USER_KEY, "sk-scripted", "ghp_1"}
    assert "/x" not in find_secrets(settings, settings.api_keys)


def test_the_password_of_a_database_address_is_hidden() -> None:
    assert Redaction([]).clean("postgresql://app:hunter2@db/app") == "postgresql://app:[hidden]@db/app"
