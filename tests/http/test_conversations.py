"""Conversations and their messages over REST."""

import httpx
import pytest

from tests.http.serving import Json, converse

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_conversation_is_made_read_and_deleted(user: httpx.AsyncClient) -> None:
    body = {"title": "Trip to Japan", "metadata": {"ticket": "7"}}
    made = await user.post("/v1/conversations", json=body)
    conversation = made.json()
    assert made.status_code == 201
    assert made.headers["Location"] == f"/v1/conversations/{conversation['id']}"
    assert conversation == {**body, "id": conversation["id"], "created_at": conversation["created_at"]}
    assert conversation["id"].startswith("conv_")
    assert conversation["created_at"].endswith("Z")
    assert (await user.get(made.headers["Location"])).json() == conversation
    assert (await user.delete(made.headers["Location"])).status_code == 204
    assert (await user.get(made.headers["Location"])).status_code == 404
    assert (await user.delete(made.headers["Location"])).status_code == 404


async def test_the_body_may_be_left_out(user: httpx.AsyncClient) -> None:
    made = await user.post("/v1/conversations")
    assert (made.status_code, made.json()["title"], made.json()["metadata"]) == (201, None, {})


@pytest.mark.parametrize("metadata", [{"k": "x" * 513}, {"k" * 65: "x"}, {str(key): "x" for key in range(17)}])
async def test_metadata_that_would_burden_every_list_is_refused(user: httpx.AsyncClient, metadata: Json) -> None:
    answer = await user.post("/v1/conversations", json={"metadata": metadata})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_conversations_are_listed_page_by_page(other: httpx.AsyncClient) -> None:
    ids = [(await other.post("/v1/conversations")).json()["id"] for _ in range(5)]
    newest: Json = (await other.get("/v1/conversations", params={"limit": 2})).json()
    assert [each["id"] for each in newest["data"]] == [ids[4], ids[3]]
    assert (newest["object"], newest["has_more"]) == ("list", True)
    assert (newest["first_id"], newest["last_id"]) == (ids[4], ids[3])
    older = (await other.get("/v1/conversations", params={"limit": 2, "after": newest["last_id"]})).json()
    assert [each["id"] for each in older["data"]] == [ids[2], ids[1]]
    newer = (await other.get("/v1/conversations", params={"limit": 2, "before": older["first_id"]})).json()
    assert newer["data"] == newest["data"]


async def test_messages_are_kept_as_they_were_sent(user: httpx.AsyncClient) -> None:
    conversation = (await user.post("/v1/conversations")).json()["id"]
    path = f"/v1/conversations/{conversation}/messages"
    picture = {"type": "image", "name": "dot.png", "media_type": "image/png", "data": "iVBORw0KGgo=", "url": None}
    content = "Grüße 👋 \u2028 \r\n\n data: {}\x1b[31m"
    made = await user.post(path, json={"role": "user", "content": content, "attachments": [picture]})
    message = made.json()
    assert made.status_code == 201
    assert message == {
        "id": message["id"],
        "conversation_id": conversation,
        "parent_id": None,
        "role": "user",
        "content": content,
        "attachments": [picture],
        "run_id": None,
        "created_at": message["created_at"],
    }
    assert (await user.get(path)).json()["data"] == [message]


async def test_messages_can_be_read_from_the_start(user: httpx.AsyncClient) -> None:
    conversation = await converse(user, "first")
    path = f"/v1/conversations/{conversation}/messages"
    await user.post(path, json={"content": "second"})
    listed = (await user.get(path, params={"order": "asc"})).json()
    assert [message["content"] for message in listed["data"]] == ["first", "second"]
    assert listed["data"][1]["parent_id"] == listed["data"][0]["id"]
