"""Everything that goes wrong answers with the same kind of problem, and never with a bare 500."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from server.edge import RequestEdge
from tests.http.serving import Json, Served, converse

pytestmark = pytest.mark.asyncio(loop_scope="session")


def check_problem(answer: httpx.Response, status: int, code: str) -> Json:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem: Json = answer.json()
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert problem["title"]
    assert problem["detail"]
    return problem


async def test_a_route_that_is_not_there_is_a_whole_problem(user: httpx.AsyncClient) -> None:
    problem = check_problem(await user.get("/v1/nothing"), 404, "not_found")
    assert problem == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "code": "not_found",
        "detail": "GET /v1/nothing is not part of this API; see /docs.",
        "request_id": problem["request_id"],
    }


@pytest.mark.parametrize(
    ("path", "methods"),
    [("/v1/conversations", "GET, POST"), ("/v1/agents/general", "DELETE, GET, PATCH"), ("/healthz", "GET, HEAD")],
)
async def test_wrong_method_is_told_all_that_the_path_knows(user: httpx.AsyncClient, path: str, methods: str) -> None:
    answer = await user.put(path)
    check_problem(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == methods


@pytest.mark.parametrize(
    ("method", "path", "body", "pointer"),
    [
        ("PUT", "/v1/policies", {"policies": {}, "version": False}, "/version"),
        ("PUT", "/v1/policies", {"policies": {"tools": {"*": {"timeout": True}}}}, "/policies/tools/*/timeout"),
        ("POST", "/v1/agents/general/rollback", {"version": "1"}, "/version"),
        ("POST", "/v1/conversations/{id}/runs", {"agent_id": "general", "stream": "no"}, "/stream"),
        ("POST", "/v1/conversations/{id}/runs", {"agent_id": "general", "limits": {"steps": True}}, "/limits/steps"),
    ],
)
async def test_nothing_is_taken_for_a_value_of_another_type(
    admin: httpx.AsyncClient, method: str, path: str, body: Json, pointer: str
) -> None:
    answer = await admin.request(method, path.format(id=await converse(admin, "hello")), json=body)
    assert [flaw["pointer"] for flaw in check_problem(answer, 422, "invalid_request")["errors"]] == [pointer]


@pytest.mark.parametrize("name", ["nothing", "conv_x", "%00", "..%2f..", "x" * 300])
async def test_what_cannot_be_an_id_names_nothing(user: httpx.AsyncClient, name: str) -> None:
    check_problem(await user.get(f"/v1/conversations/{name}"), 404, "not_found")


async def test_wrong_body_points_at_each_flaw(user: httpx.AsyncClient) -> None:
    conversation = await converse(user, "hello")
    body = {"content": 7, "attachments": [{"type": "film", "name": "a", "media_type": "b"}], "more/~": 1}
    answer = await user.post(f"/v1/conversations/{conversation}/messages", json=body)
    flaws = check_problem(answer, 422, "invalid_request")["errors"]
    assert [flaw["pointer"] for flaw in flaws] == ["/content", "/attachments/0/type", "/more~1~0"]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "order=up", "surprise=1", "after=%00"])
async def test_wrong_parameter_is_named(user: httpx.AsyncClient, query: str) -> None:
    problem = check_problem(await user.get(f"/v1/conversations?{query}"), 422, "invalid_request")
    assert [flaw["parameter"] for flaw in problem["errors"]] == [query.partition("=")[0]]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed_json"),
        (b'{"title": NaN}', 400, "malformed_json"),
        (b'{"title": ' + b"9" * 5000 + b"}", 400, "malformed_json"),
        (b'{"title": "\xff"}', 400, "invalid_utf8"),
        (b"[" * 100_000 + b"]" * 100_000, 400, "json_too_deep"),
        (b'{"metadata": ' + b"[" * 100 + b"]" * 100 + b"}", 400, "json_too_deep"),
        (b'{"title": "a\\u0000b"}', 422, "invalid_text"),
        (b'{"title": "\\ud800"}', 422, "invalid_text"),
        (b'{"metadata": {"\\u0000": "x"}}', 422, "invalid_text"),
        (b'{"metadata": {"x": 1e400}}', 422, "number_out_of_range"),
        (b"[]", 422, "invalid_request"),
        (b'"text"', 422, "invalid_request"),
        (b"null", 422, "invalid_request"),
    ],
)
async def test_bad_bytes_are_refused_by_name(user: httpx.AsyncClient, body: bytes, status: int, code: str) -> None:
    answer = await user.post("/v1/conversations", content=body, headers={"Content-Type": "application/json"})
    check_problem(answer, status, code)


async def test_a_body_that_says_it_is_no_json_is_not_read(user: httpx.AsyncClient) -> None:
    answer = await user.post("/v1/conversations", content=b"{}", headers={"Content-Type": "text/plain"})
    check_problem(answer, 415, "unsupported_media_type")


async def test_a_body_over_the_cap_is_refused(served: Served, user: httpx.AsyncClient) -> None:
    size = served.settings.max_body_bytes + 1
    headers = {"Content-Type": "application/json", "Content-Length": str(size)}
    answer = await user.post("/v1/conversations", content=b" " * size, headers=headers)
    check_problem(answer, 413, "body_too_large")


@pytest.mark.slow
async def test_a_body_without_a_length_is_counted(served: Served, user: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(served.settings.max_body_bytes // 1000 + 10):
            yield b" " * 1000

    answer = await user.post("/v1/conversations", content=endless(), headers={"Content-Type": "application/json"})
    check_problem(answer, 413, "body_too_large")


async def test_a_request_id_that_is_sent_comes_back(user: httpx.AsyncClient) -> None:
    answer = await user.get("/v1/agents", headers={"X-Request-Id": "trace-7.a:b"})
    assert answer.headers["X-Request-Id"] == "trace-7.a:b"


@pytest.mark.parametrize("given", ["", "has space", "a" * 129, "x;y", "é"])
async def test_a_request_id_that_could_break_a_log_is_replaced(user: httpx.AsyncClient, given: str) -> None:
    answer = await user.get("/v1/agents", headers={b"X-Request-Id": given.encode()})
    assert answer.headers["X-Request-Id"].startswith("req_")


async def test_an_unforeseen_error_tells_its_request_id_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("the password is hunter2")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/x", "raw_path": b"/x", "headers": []}
    await RequestEdge(broken)(scope, silent, send)
    start, body = sent
    problem = json.loads(body["body"])
    assert start["status"] == problem["status"] == 500
    assert problem["code"] == "internal_error"
    assert problem["request_id"] in problem["detail"]
    assert "hunter2" not in json.dumps(problem)


async def silent() -> Message:
    return {"type": "http.request"}
