"""The store: repositories over one database. They hide sessions, return resources and raise `server.errors`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text

from config.redaction import Redactor
from server.db.agents import Agents
from server.db.approvals import Approvals
from server.db.artifacts import Artifacts
from server.db.asked import AskedQuestions
from server.db.audit import AuditTrail
from server.db.conversations import Conversations
from server.db.database import Database, open_database
from server.db.events import EventLog
from server.db.feed import Feed
from server.db.histories import Histories
from server.db.idempotency import IdempotencyKeys
from server.db.kept_arguments import KeptArguments
from server.db.messages import Messages
from server.db.migrating import migrate
from server.db.policies import PolicyVersions
from server.db.questions import Questions
from server.db.queue import RunQueue
from server.db.retention import Retention
from server.db.runs import Runs
from server.db.spending import Spendings
from server.db.summaries import Summaries
from server.db.tokens import Tokens
from server.db.tool_calls import ToolCalls
from server.identity.sealing import Seal


@dataclass(frozen=True)
class Store:
    database: Database
    conversations: Conversations
    messages: Messages
    histories: Histories
    runs: Runs
    queue: RunQueue
    events: EventLog
    tool_calls: ToolCalls
    approvals: Approvals
    questions: Questions
    asked: AskedQuestions
    spending: Spendings
    artifacts: Artifacts
    summaries: Summaries
    agents: Agents
    idempotency: IdempotencyKeys
    retention: Retention
    policies: PolicyVersions
    audit: AuditTrail
    tokens: Tokens
    feed: Feed

    async def check(self) -> None:
        """Raises: Unavailable, when the database does not answer."""
        async with self.database.read() as session:
            await session.execute(text("SELECT 1"))


@asynccontextmanager
async def open_store(
    database_url: str,
    approval_patience: timedelta = timedelta(days=1),
    redactor: Redactor | None = None,
    seal: Seal | None = None,
) -> AsyncIterator[Store]:
    """Yields the store, after moving the database to the version this code needs.

    `approval_patience` is how long a person may take to answer; `redactor` knows what is not to be written down,
    and what has to be all the same is closed with `seal`.

    Raises:
        Unavailable: it cannot be opened or written, or a newer version of the program made it.
    """
    await asyncio.to_thread(migrate, database_url)
    async with open_database(database_url) as database:
        feed, redactor = Feed(), redactor or Redactor()
        events = EventLog(database, feed, approval_patience, redactor)
        yield Store(
            database=database,
            conversations=Conversations(database, events.end_idle),
            messages=Messages(database),
            histories=Histories(database),
            runs=Runs(database),
            queue=RunQueue(database),
            events=events,
            tool_calls=ToolCalls(database, redactor),
            approvals=Approvals(database, events, approval_patience, redactor, KeptArguments(seal)),
            questions=Questions(database, events, approval_patience, redactor),
            asked=AskedQuestions(database),
            spending=Spendings(database),
            artifacts=Artifacts(database),
            summaries=Summaries(database),
            agents=Agents(database),
            idempotency=IdempotencyKeys(database),
            retention=Retention(database),
            policies=PolicyVersions(database),
            audit=AuditTrail(database, redactor),
            tokens=Tokens(database),
            feed=feed,
        )
