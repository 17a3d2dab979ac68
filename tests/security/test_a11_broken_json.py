"""A11. Bodies that are no sane JSON: a 4xx with a code for each, on every route that takes a body, never a 500."""

import pytest

from tests.security.house import House
from tests.security.routes import all_routes

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

BROKEN = {
    "deep lists": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep, but not very": b'{"a":' * 65 + b"1" + b"}" * 65,
    "number without end": b'{"a": 1e400}',
    "integer without end": b'{"a": ' + b"9" * 10_000 + b"}",
    "not a number": b'{"a": NaN}',
    "infinity": b'{"a": -Infinity}',
    "key twice": b'{"content": "a", "content": "b"}',
    "key twice inside": b'{"metadata": {"a": "1", "a": "2"}}',
    "key twice, written otherwise": b'{"name": "a", "n\\u0061me": "b"}',
    "half a surrogate": b'{"content": "\\ud800"}',
    "half a surrogate in a key": b'{"\\udfff": 1}',
    "NUL": b'{"content": "a\\u0000b"}',
    "NUL as a byte": b'{"content": "a\x00b"}',
    "not UTF-8": b'{"content": "\xff\xfe"}',
    "UTF-16": '{"content": "x"}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"content": "x"}',
    "cut off": b'{"content": ',
    "two values": b"{} {}",
    "comment": b'{"a": 1} // x',
    "too many values": b"[" + b"0," * 200_000 + b"0]",
    "too many keys": b"{" + b",".join(b'"%d":0' % number for number in range(120_000)) + b"}",
}


@pytest.mark.parametrize("name", BROKEN)
async def test_broken_body_is_a_4xx_on_every_route(house: House, name: str) -> None:
    routes = [route for route in await all_routes(house.admin) if route.body is not None]
    assert len(routes) >= 10
    if len(BROKEN[name]) > 10_000:
        routes = routes[:2]  # it is read before any route is asked
    for route in routes:
        headers = {"Content-Type": "application/json"}
        answer = await house.admin.request(route.method, route.example, content=BROKEN[name], headers=headers)
        assert 400 <= answer.status_code < 500, (route.path, answer.text)
        told = answer.json()
        assert told.get("code") or told["error"]["code"], route.path


async def test_long_text_with_many_commas_is_no_flood_of_values(house: House) -> None:
    conversation = (await house.user.post("/v1/conversations")).json()["id"]
    text = 'a, [b], {c}, \\"quoted\\", ' * 20_000
    body = b'{"content": "' + text.encode() + b'"}'
    headers = {"Content-Type": "application/json"}
    path = f"/v1/conversations/{conversation}/messages"
    assert (await house.user.post(path, content=body, headers=headers)).status_code == 201


@pytest.mark.parametrize("name", BROKEN)
async def test_broken_body_is_a_4xx_at_the_gateway(house: House, name: str) -> None:
    call = b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "house__send", "arguments": %s}}'
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    for path in ("/mcp", "/mcp/house"):
        answer = await house.admin.post(path, content=call % BROKEN[name], headers=headers)
        assert 400 <= answer.status_code < 500, answer.text
        told = answer.json()
        assert told.get("code") or (told["error"]["code"] == -32700 and told["error"]["data"]["code"]), told
