"""Tools over REST: listed with their schemas, called by admins down the governed path."""

import httpx
import pytest
import pytest_asyncio

from tests.http.serving import servers_settled

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def servers_are_up(user: httpx.AsyncClient) -> None:
    await servers_settled(user)


async def test_tools_are_listed_by_name_with_their_schemas(user: httpx.AsyncClient) -> None:
    listed = (await user.get("/v1/tools")).json()
    names = [tool["name"] for tool in listed["data"]]
    assert names == [
        "artifact__read",
        "calculator__calculate",
        "memory__forget",
        "memory__recall",
        "memory__remember",
        "time__convert_time",
        "time__get_current_time",
    ]
    assert (listed["has_more"], listed["first_id"], listed["last_id"]) == (False, names[0], names[-1])
    tool = listed["data"][-1]
    assert set(tool) == {"name", "server", "description", "input_schema", "annotations"}
    assert (tool["server"], tool["input_schema"]["required"]) == ("time", ["timezone"])
    assert (await user.get("/v1/tools/time__get_current_time")).json() == tool


@pytest.mark.parametrize(
    ("query", "wanted", "more"),
    [
        ({"limit": 2}, slice(0, 2), True),
        ({"limit": 2, "after": "memory__remember"}, slice(5, 7), False),
        ({"limit": 1, "before": "time__get_current_time"}, slice(5, 6), True),
        ({"order": "desc"}, slice(None, None, -1), False),
        ({"order": "desc", "after": "time__convert_time"}, slice(4, None, -1), False),
        ({"after": "zzz"}, slice(0, 0), False),
    ],
)
async def test_tools_are_paged(user: httpx.AsyncClient, query: dict[str, str | int], wanted: slice, more: bool) -> None:
    names = [tool["name"] for tool in (await user.get("/v1/tools")).json()["data"]]
    page = (await user.get("/v1/tools", params=query)).json()
    assert ([tool["name"] for tool in page["data"]], page["has_more"]) == (names[wanted], more)


async def test_an_unknown_tool_is_not_there(admin: httpx.AsyncClient) -> None:
    for answer in (
        await admin.get("/v1/tools/time__travel"),
        await admin.post("/v1/tools/time__travel/invoke", json={"arguments": {}}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_tool")


async def test_an_admin_calls_a_tool_by_hand(admin: httpx.AsyncClient) -> None:
    body = {"arguments": {"expression": "6*7"}}
    answer = await admin.post("/v1/tools/calculator__calculate/invoke", json=body)
    call = answer.json()
    assert answer.status_code == 200
    assert call == {
        "id": call["id"],
        "tool": "calculator__calculate",
        "arguments": {"expression": "6*7"},
        "status": "ok",
        "result": "42",
        "error": None,
        "artifact_id": None,
    }
    assert call["id"].startswith("call_")


async def test_arguments_that_do_not_fit_never_reach_the_server(admin: httpx.AsyncClient) -> None:
    answer = await admin.post("/v1/tools/time__get_current_time/invoke", json={"arguments": {"timezone": 7}})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid_arguments")
    assert "timezone" in problem["detail"]


async def test_what_a_tool_itself_does_wrong_is_a_result(admin: httpx.AsyncClient) -> None:
    body = {"arguments": {"timezone": "Mars/Olympus"}}
    answer = await admin.post("/v1/tools/time__get_current_time/invoke", json=body)
    call = answer.json()
    assert (answer.status_code, call["status"], call["error"]["code"]) == (200, "error", "tool_error")
    assert "Mars/Olympus" in call["error"]["detail"]


async def test_a_server_that_cannot_start_is_named(admin: httpx.AsyncClient) -> None:
    answer = await admin.post("/v1/tools/missing__anything/invoke", json={"arguments": {}})
    assert (answer.status_code, answer.json()["code"]) == (503, "server_unavailable")
    assert "missing" in answer.json()["detail"]
