"""One decision: every entry to a tool comes to the same verdict by the same rule, and the audit says so."""

from collections.abc import Awaitable, Callable
from typing import Final

import httpx
import pytest

from config.policies import Verdict
from tests.gateway.peer import code, open_peer
from tests.http.serving import ADMIN_KEY, OTHER_KEY, USER_KEY, Json
from tests.security.house import House
from tests.security.verdicts import CASES, POLICIES, Case

pytestmark = pytest.mark.asyncio(loop_scope="session")

Entry = Callable[[House, Case], Awaitable[tuple[Verdict, str]]]


def client_of(house: House, case: Case) -> httpx.AsyncClient:
    return {"uma": house.user, "otto": house.other, "ann": house.admin}[case.who]


def judged(status: int, code: str) -> Verdict:
    if status == 202 or code == "approval_required":
        return "ask"
    return "allow" if status == 200 else "deny"


async def by_check(house: House, case: Case) -> tuple[Verdict, str]:
    body: Json = {"arguments": case.arguments}
    answer = (await client_of(house, case).post(f"/v1/tools/{case.tool}/check", json=body)).json()
    return answer["verdict"], answer["rule"]


async def by_check_for_an_agent(house: House, case: Case) -> tuple[Verdict, str]:
    body: Json = {"arguments": case.arguments, "agent": "worker"}
    answer = (await client_of(house, case).post(f"/v1/tools/{case.tool}/check", json=body)).json()
    return answer["verdict"], answer["rule"]


async def by_invoke(house: House, case: Case) -> tuple[Verdict, str]:
    answer = await client_of(house, case).post(f"/v1/tools/{case.tool}/invoke", json={"arguments": case.arguments})
    entry = (await house.audit(tool=case.tool, principal=case.who, limit=1))[0]
    return judged(answer.status_code, answer.json().get("code") or ""), entry["rule"]


async def by_agent(house: House, case: Case) -> tuple[Verdict, str]:
    acting = house.by(client_of(house, case))
    ended = (await acting.run(f"case {CASES.index(case):02}", "worker", (case.tool, case.arguments)))[0]
    if ended["type"] == "approval.requested":
        return "ask", ended["rule"]
    entry = (await house.audit(tool=case.tool, principal=case.who, agent="worker", limit=1))[0]
    code = (ended["error"] or {}).get("code", "")
    return judged(200 if ended["status"] == "ok" else 403, code), entry["rule"]


async def by_gateway(house: House, case: Case) -> tuple[Verdict, str]:
    key = {"uma": USER_KEY, "otto": OTHER_KEY, "ann": ADMIN_KEY}[case.who]
    async with open_peer(house.served, key) as peer:
        result = await peer.call(case.tool, **case.arguments)
    entry = (await house.audit(tool=case.tool, principal=case.who, limit=1))[0]
    return judged(403 if result.isError else 200, code(result) or ""), entry["rule"]


ENTRIES: Final = (by_check, by_check_for_an_agent, by_invoke, by_gateway, by_agent)
MARKS: Final = {"by_agent": [pytest.mark.slow], "by_gateway": [pytest.mark.slow]}
"""A run, or a session, for each case takes its time."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.words)
@pytest.mark.parametrize(
    "entry", [pytest.param(each, id=each.__name__, marks=MARKS.get(each.__name__, ())) for each in ENTRIES]
)
async def test_every_entry_comes_to_the_same_verdict(house: House, entry: Entry, case: Case) -> None:
    await house.govern(**POLICIES)
    await house.hire("worker", "house__*")
    assert await entry(house, case) == (case.verdict, case.rule)
