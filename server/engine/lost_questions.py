"""Questions to people whose run has lost its checkpoint. They are closed at the start: no run waits for the answers."""

from contextlib import suppress

import structlog

from mcp_config.tools import Answer
from server.db.approvals import EXPIRY
from server.db.store import Store
from server.engine.checkpoints import Checkpoints
from server.errors import Conflict

_log = structlog.stdlib.get_logger("server.engine")


async def close_lost_questions(store: Store, checkpoints: Checkpoints) -> None:
    """Closes the questions of runs that have no checkpoint any more: those begin anew, and ask under other ids.

    Left open, such a question would hold its run back until it expires.
    """
    questions = await store.approvals.pending()
    held = set(await checkpoints.run_ids()) if questions else set()
    for owner, approval_id, run_id in questions:
        if run_id not in held:
            _log.warning("the checkpoint of a waiting run is lost; its question is closed", run_id=run_id)
            closed = Answer("expire", reason="What the run had come to was lost.")
            with suppress(Conflict):  # answered before the process ended, by whoever was quicker
                await store.approvals.resolve(owner, approval_id, closed, EXPIRY)
