"""`open-agent connect`: Open WebUI is ready to chat after it, and what others set there stays."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from server.cli.connect import PIPE
from tests.cli.terminal import Ran, run, surroundings
from tests.support.webui_server import StoodIn, open_webui_stand_in

pytestmark = pytest.mark.slow
"""Each test starts processes of its own."""

AT = "http://api:8000"


@pytest_asyncio.fixture
async def webui() -> AsyncIterator[StoodIn]:
    async with open_webui_stand_in() as stood:
        yield stood


async def connect(webui: StoodIn, folder: Path, **more: str) -> Ran:
    env = surroundings(DATA_DIR=str(folder), no_proxy="127.0.0.1", **more)
    return await run("connect", webui.url, "--address", AT, env=env)


async def test_first_user_is_made_and_everything_is_set_up(webui: StoodIn, tmp_path: Path) -> None:
    ran = await connect(webui, tmp_path)
    key = (tmp_path / "api_key").read_text().strip()
    assert ran.code == 0, ran.err
    assert "2 agents now: open-agent, general." in ran.out
    assert key not in ran.out
    assert webui.users == {"admin@localhost": key}
    assert webui.function
    assert (webui.function["is_active"], webui.function["content"]) == (True, PIPE.read_text())
    assert webui.valves == {"BASE_URL": AT, "API_KEY": key, "USER_TOKEN_SECRET": ""}
    assert webui.models["DEFAULT_MODELS"] == "open_agent.open-agent"


async def test_plain_connection_is_entered_beside_others_and_left_off(webui: StoodIn, tmp_path: Path) -> None:
    await connect(webui, tmp_path, API_KEYS="boss-key,webui=service:for-open-webui")
    assert webui.openai["OPENAI_API_BASE_URLS"] == ["https://other/v1", f"{AT}/v1"]
    assert webui.openai["OPENAI_API_KEYS"] == ["sk-other", "for-open-webui"]
    assert [config["enable"] for config in webui.openai["OPENAI_API_CONFIGS"].values()] == [True, False]


@pytest.mark.exhaustive
async def test_second_time_brings_up_to_date_and_keeps_what_an_admin_chose(webui: StoodIn, tmp_path: Path) -> None:
    await connect(webui, tmp_path)
    webui.valves["SHOW_TOOLS"] = False
    webui.models["DEFAULT_MODELS"] = "gpt"
    webui.openai["OPENAI_API_CONFIGS"]["1"]["enable"] = True
    assert webui.function
    webui.function["content"] = "old"
    ran = await connect(webui, tmp_path, OPENWEBUI_JWT_SECRET="hush")
    assert ran.code == 0, ran.err
    assert webui.function["content"] == PIPE.read_text()
    assert webui.function["is_active"]
    assert (webui.valves["SHOW_TOOLS"], webui.valves["USER_TOKEN_SECRET"]) == (False, "hush")
    assert webui.models["DEFAULT_MODELS"] == "gpt"
    assert webui.openai["OPENAI_API_CONFIGS"]["1"]["enable"]


@pytest.mark.exhaustive
async def test_what_is_wrong_is_told_in_one_line(webui: StoodIn, tmp_path: Path) -> None:
    webui.users["ann@example.com"] = "hers"
    unknown = await connect(webui, tmp_path)
    assert unknown.code == 1
    assert "name an admin of it, with OPEN_WEBUI_EMAIL and OPEN_WEBUI_PASSWORD" in unknown.err
    ann = {"OPEN_WEBUI_EMAIL": "ann@example.com", "OPEN_WEBUI_PASSWORD": "hers"}
    webui.agents = ["unreachable"]
    lost = await connect(webui, tmp_path, **ann)
    assert lost.err == f"Open WebUI does not reach open-agent at {AT}: say where it is, with --address\n"
    webui.roles["ann@example.com"] = "user"
    assert "is no admin of Open WebUI" in (await connect(webui, tmp_path, **ann)).err
    webui.url = "http://127.0.0.1:1"
    assert "does not answer" in (await connect(webui, tmp_path)).err
