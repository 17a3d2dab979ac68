"""What comes with a message: text into the prompt, long text as an artifact, pictures to models that see."""

import base64
import json

import httpx
import pytest

from tests.http.serving import Json, converse, follow
from tests.support.scripted_model import Replies, Reply, ScriptedModel, ScriptedRequest, says

pytestmark = pytest.mark.asyncio(loop_scope="session")

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n tiny").decode()


async def _run(client: httpx.AsyncClient, conversation: str, question: str, *attached: Json) -> tuple[str, Json]:
    message = {"role": "user", "content": question, "attachments": list(attached)}
    (await client.post(f"/v1/conversations/{conversation}/messages", json=message)).raise_for_status()
    answer = await client.post(f"/v1/conversations/{conversation}/runs", json={"agent_id": "general"})
    run_id: str = answer.raise_for_status().json()["id"]
    return run_id, json.loads((await follow(client, run_id))[-1].data)


def _file(name: str, content: bytes, media_type: str = "text/plain") -> Json:
    return {"type": "file", "name": name, "media_type": media_type, "data": base64.b64encode(content).decode()}


async def test_long_text_file_is_an_artifact_with_a_preview(model: ScriptedModel, user: httpx.AsyncClient) -> None:
    asked: list[ScriptedRequest] = []

    def answer(request: ScriptedRequest) -> Reply:
        asked.append(request)
        return Replies.text("Read.")

    model.when(says("read the log"), answer)
    content = b"FIRST\n" + b"line of a log\n" * 40_000 + b"LAST\n"
    attached = _file("app.log", content, "application/octet-stream")
    run_id, end = await _run(user, await converse(user, "hi"), "read the log", attached, _file("a.md", b"# short one"))
    assert end["type"] == "run.completed"
    [kept] = (await user.get(f"/v1/runs/{run_id}/artifacts")).json()["data"]
    assert (kept["name"], kept["size"]) == ("app.log", len(content))
    assert (await user.get(f"/v1/artifacts/{kept['id']}/content")).content == content
    prompt = json.dumps(asked[0].body)
    assert len(prompt) < 40_000
    assert all(words in prompt for words in (f"kept whole as artifact {kept['id']}", "FIRST", "LAST", "# short one"))


async def test_what_is_neither_text_nor_image_is_refused_with_what_is_taken(user: httpx.AsyncClient) -> None:
    conversation = await converse(user, "hi")
    for name, media_type, content in (
        ("a.pdf", "application/pdf", b"%PDF-1.7"),
        ("a.zip", "application/zip", b"PK\x03\x04"),
        ("a.exe", "application/octet-stream", b"MZ\x90\x00\xff"),
    ):
        message = {"role": "user", "content": "look", "attachments": [_file(name, content, media_type)]}
        answer = await user.post(f"/v1/conversations/{conversation}/messages", json=message)
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (422, "unsupported_attachment")
        assert "taken are images (PNG, JPEG, GIF, WebP) and UTF-8 text" in problem["detail"]
        url = f"data:{media_type};base64,{base64.b64encode(content).decode()}"
        parts = [{"type": "file", "file": {"filename": name, "file_data": url}}]
        asked = {"model": "general", "messages": [{"role": "user", "content": parts}]}
        refused = await user.post("/v1/chat/completions", json=asked)
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "unsupported_attachment")
        assert "taken are images" in refused.json()["error"]["message"]
