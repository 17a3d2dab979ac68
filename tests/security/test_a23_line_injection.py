"""A23. Text that tries to be more than text: in a log it stays in its line, in a stream in its frame."""

import json
import re
import subprocess
import sys
from typing import Literal

import pytest

from config.checkout import CHECKOUT
from tests.http.serving import start_run
from tests.security.house import House
from tests.support.scripted_model import Replies, says

pytestmark = pytest.mark.slow

HOSTILE = "a\r\nb\n\ndata: {}\n\nevent: run.completed\x1b[31mred\x1b[0m\u2028c\u2029d\x85e\x9b2Jf\u202eg\x00h"
LOGGING = """
import sys, structlog
from server.logs import configure_logs
configure_logs("info", sys.argv[1], [])
hostile = sys.stdin.read()
log = structlog.stdlib.get_logger("x")
log.info("said", name=hostile, inside={"name": hostile}, several=[hostile])
log.info(hostile)
try:
    raise ValueError(hostile)
except ValueError:
    log.exception("broke")
"""


def log_of(form: Literal["json", "console"]) -> str:
    command = [sys.executable, "-X", "utf8", "-c", LOGGING, form]
    ran = subprocess.run(command, cwd=CHECKOUT, input=HOSTILE.encode(), capture_output=True, check=True)
    return ran.stderr.decode()


def test_json_log_is_one_object_a_line_whatever_was_logged() -> None:
    log = log_of("json")
    lines = log.splitlines()  # at every end of a line that Unicode knows
    assert len(lines) == 3
    said, itself, broke = (json.loads(line) for line in lines)
    assert said["name"] == said["inside"]["name"] == itself["event"]
    assert "data: {}" in broke["exception"]
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e]", log)


def test_console_log_begins_no_line_and_moves_no_cursor() -> None:
    log = log_of("console")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e]", log)
    lines = log.split("\n")
    assert not [line for line in lines[:2] if not re.match(r"\d\d:\d\d:\d\d ", line)]


@pytest.mark.asyncio(loop_scope="session")
async def test_frames_of_a_stream_stay_whole(house: House) -> None:
    hostile = HOSTILE.replace("\x00", "")
    house.model.when(says("say something hostile"), Replies.text(hostile))
    run = await start_run(house.user, f"say something hostile {hostile}")
    stream = (await house.user.get(f"/v1/runs/{run['id']}/events")).content.decode()
    frames = [frame for frame in re.split(r"\r\n\r\n|\n\n|\r\r", stream) if frame]
    told = ""
    for frame in frames:
        fields = [line.partition(":")[0] for line in re.split(r"\r\n|\n|\r", frame)]
        assert fields in (["id", "event", "data"], ["retry"], [""]), frame
        if fields[0] == "id":
            event = json.loads(frame.partition("data: ")[2])
            told += event["delta"] if event["type"] == "model.delta" else ""
    assert told == hostile
    assert stream.count("event: run.completed\n") == 1


@pytest.mark.asyncio(loop_scope="session")
async def test_hostile_names_come_back_as_they_are(house: House) -> None:
    title = HOSTILE.replace("\x00", "")
    made = await house.user.post("/v1/conversations", json={"title": title}, headers={"X-Request-Id": "a\tb"})
    assert made.json()["title"] == title
    assert made.headers["X-Request-Id"].startswith("req_")
