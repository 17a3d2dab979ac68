"""Asks for completions over plain HTTP, as any client may, and reads what comes."""

import json
from collections.abc import Mapping, Sequence

import httpx

from tests.http.serving import Json

Said = tuple[str, str]
"""Role and content."""


async def ask(
    client: httpx.AsyncClient, *said: Said | Json, headers: Mapping[str, str] | None = None, **more: object
) -> httpx.Response:
    """Sends a history; `more` stands beside it in the body."""
    messages = [each if isinstance(each, dict) else {"role": each[0], "content": each[1]} for each in said]
    body = {"model": "general", "messages": messages, **more}
    return await client.post("/v1/chat/completions", json=body, headers=headers)


def content_of(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    content: str = answer.json()["choices"][0]["message"]["content"]
    return content


def lines_of(answer: httpx.Response) -> list[Json]:
    """Returns the JSON of all `data:` lines; the last must not be cut off."""
    assert answer.status_code == 200, answer.text
    blocks = answer.text.split("\n\n")
    assert blocks.pop() == ""
    data = [block.removeprefix("data: ") for block in blocks if not block.startswith(":")]
    return [json.loads(each) for each in data if each != "[DONE]"]


def words_of(lines: Sequence[Json], kind: str = "content") -> str:
    deltas = [choice["delta"] for line in lines for choice in line.get("choices", [])]
    return "".join(delta.get(kind) or "" for delta in deltas)


async def run_of(client: httpx.AsyncClient, answer: httpx.Response) -> Json:
    run: Json = (await client.get(f"/v1/runs/{answer.headers['X-Open-Agent-Run-Id']}")).raise_for_status().json()
    return run


async def messages_of(client: httpx.AsyncClient, conversation_id: str) -> list[Json]:
    page = await client.get(f"/v1/conversations/{conversation_id}/messages", params={"order": "asc", "limit": 100})
    messages: list[Json] = page.raise_for_status().json()["data"]
    return messages


async def branches_of(client: httpx.AsyncClient, conversation_id: str) -> list[list[Said]]:
    """Returns each path from the first message to a last one."""
    messages = {message["id"]: message for message in await messages_of(client, conversation_id)}
    parents = {message["parent_id"] for message in messages.values()}

    def path(message: Json | None) -> list[Said]:
        if message is None:
            return []
        return [*path(messages.get(message["parent_id"])), (message["role"], message["content"])]

    return [path(message) for message in messages.values() if message["id"] not in parents]


async def count(client: httpx.AsyncClient, path: str) -> int:
    page = await client.get(path, params={"limit": 100})
    return len(page.raise_for_status().json()["data"])
