"""A connection to PostgreSQL that is lost in COMMIT: nobody can say whether it was done, and nothing is done twice."""

from pathlib import Path

import pytest

from tests.engine.conftest import Site
from tests.engine.talk import OWNER, ask, read_to_end, transcript
from tests.graph.laws import check_laws
from tests.support.lossy_postgres import open_lossy_postgres
from tests.support.scripted_model import Replies, ScriptedModel, says

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "lost",
    [
        pytest.param(b"run.started", id="first events"),
        pytest.param(b"UPDATE runs SET status", id="claim"),
        pytest.param(b"a word that is counted", id="words"),
        pytest.param(b"run.completed", id="end"),
    ],
)
async def test_nothing_is_written_twice_and_the_run_ends(
    tmp_path: Path, postgres_database: str, scripted_model: ScriptedModel, lost: bytes
) -> None:
    scripted_model.always(says("hello"), Replies.text("a word that is counted", ", once"))
    async with (
        open_lossy_postgres(postgres_database, tmp_path) as (proxy, url),
        Site(tmp_path, url, scripted_model).house() as house,
    ):
        proxy.marked = lost
        run = await ask(house, "hello")
        log = await read_to_end(house, run.id)
        assert (await house.store.runs.get(OWNER, run.id)).status == "completed"
        said = await transcript(house, run.conversation_id)
    assert proxy.cuts == 1
    check_laws(log)
    assert [event.seq for event in log] == list(range(1, len(log) + 1))
    assert said == ["hello", "a word that is counted, once"]
    assert len(scripted_model.requests) == 1
