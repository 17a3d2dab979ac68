"""A19: what LangSmith is sent by an application that it is switched on for goes past the redaction: nothing is."""

from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.faults.lab import Lab, get_run, start, whole_log
from tests.support.scripted_model import Replies, ScriptedModel, anything


@pytest.mark.slow
async def test_a19_no_trace_leaves_the_server(tmp_path: Path, scripted_model: ScriptedModel) -> None:
    scripted_model.always(anything, Replies.text("Hello."))
    heard: list[str] = []

    async def hear(request: web.Request) -> web.Response:
        heard.append(request.path)
        return web.json_response({})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", hear)
    async with TestServer(app) as collector:
        traced = {
            "LANGSMITH_TRACING": "true",
            "LANGSMITH_API_KEY": "lsv2_x",
            "LANGSMITH_ENDPOINT": str(collector.make_url("/")),
        }
        lab = Lab(tmp_path, scripted_model, traced)
        async with lab.serving() as running, running.client() as client:
            run_id = await start(client, "A19", "general")
            await whole_log(client, run_id)
            assert (await get_run(client, run_id))["status"] == "completed"
            assert await running.stop() == 0
    assert heard == []
