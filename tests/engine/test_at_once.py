"""Two processes on one database, as two tabs behind them: a question is answered once. On both databases."""

import asyncio

import pytest

from mcp_config.tools import Answer
from server.db.approvals import Settled
from server.db.store import open_store
from server.errors import Conflict
from tests.engine.conftest import Site
from tests.engine.talk import OWNER, ask, read_to_end
from tests.engine.test_approvals import TOOLS, waiting
from tests.graph.laws import check_laws
from tests.support.scripted_model import Replies, has_result, says


@pytest.fixture
def place(database_url: str) -> str:
    return database_url


@pytest.mark.exhaustive
async def test_of_two_processes_one_answers_a_question_and_the_call_is_made_once(site: Site) -> None:
    site.tools = dict(TOOLS)
    site.script.always(has_result(), Replies.text("done"))
    site.script.always(says("both"), Replies.tools(("time__set", {"q": "noon"}), ("time__stop", {})))
    async with site.house() as house, open_store(site.database_url) as other:
        run = await ask(house, "both", agent_id="clock")
        first, second = await waiting(house, run, 2)
        tries = [
            store.approvals.resolve(OWNER, approval.id, Answer("approve"), OWNER)
            for approval in (first, second, first, second)
            for store in (house.store, other)
        ]
        outcomes = await asyncio.gather(*tries, return_exceptions=True)
        settled = [outcome for outcome in outcomes if isinstance(outcome, Settled)]
        assert sorted(outcome.approval.id for outcome in settled) == sorted((first.id, second.id))
        assert [outcome.ready for outcome in settled if outcome.ready] == [run.id], "one of the two was the last"
        assert {type(outcome) for outcome in outcomes} == {Settled, Conflict}
        house.engine.wake(run.id)
        check_laws(await read_to_end(house, run.id))
    assert sorted(call.tool for call in house.tools.acts) == ["time__set", "time__stop"]
