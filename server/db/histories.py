"""Histories: clients of the OpenAI API send everything that was said, each time. It is laid along what is stored, so
that nothing is stored twice and what was changed becomes a branch."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from config.ids import new_id
from server.db.columns import storable
from server.db.database import Database
from server.db.digests import first_digest, next_digest
from server.db.sessions import ReadSession, WriteSession
from server.db.tables import ConversationRow, MessageRow
from server.db.tree import Spot, Tree, read_tree
from server.resources.conversations import Attachment

_LONGEST_LOOK_BACK: Final = 100
"""Answers of a history by which its conversation is looked for, from the newest back."""


@dataclass(frozen=True)
class Turn:
    role: Literal["user", "assistant"]
    content: str
    attachments: list[Attachment] = field(default_factory=list)
    known_by: str = ""
    """The part of the content that stays the same when it is sent again; empty for all of it."""


@dataclass(frozen=True)
class History:
    """What a client sent, oldest first. The last turn is the user's: the question."""

    turns: Sequence[Turn]
    standing: str
    """What the client said as system."""
    namespace: str
    """Whose history it is, of all that share an owner: the same words of others are not looked at."""
    key: str | None = None
    """The client's own name for the conversation. With it, an answer that comes back changed is still that answer."""
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    """The message that is to be answered."""

    conversation_id: str
    message_id: str


class Histories:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def place(self, owner: str, history: History) -> Question:
        """Stores what is new of the history, whose attachments are checked, and returns where its question stands."""

        async def work(session: WriteSession) -> Question:
            return await _Placing(session, owner, history).place()

        try:
            return await self._database.write(work)
        except IntegrityError:  # another process made the conversation at the same moment
            return await self._database.write(work)


class _Placing:
    """One history on its way into the tree."""

    def __init__(self, session: WriteSession, owner: str, history: History) -> None:
        self._session, self._owner, self._history = session, owner, history

    async def place(self) -> Question:
        conversation_id, start, begun = await self._find_start()
        tree = await read_tree(self._session, conversation_id)
        spot = tree.spot(start) if start else Spot(None, first_digest(self._history.namespace), "", None)
        *before, question = self._history.turns[begun:]
        for turn in before:
            spot = self._find(tree, spot, turn) or self._add(conversation_id, spot, turn)
        spot = await self._find_question(tree, spot, question) or self._add(conversation_id, spot, question)
        return Question(conversation_id, str(spot.message_id))

    async def _find_start(self) -> tuple[str, str | None, int]:
        """Returns the conversation, the message of it to go on from, and how many turns lie behind that."""
        if self._history.key is not None:
            keyed = select(ConversationRow.id).where(
                ConversationRow.owner == self._owner, ConversationRow.external_key == self._history.key
            )
            return await self._session.scalar(keyed) or await self._create(), None, 0
        found = await _find_answer(self._session, self._owner, self._digests())
        return found or (await self._create(), None, 0)

    def _digests(self) -> dict[str, int]:
        """Returns the newest answers in the history by digest: how many turns they end."""
        digest, ends = first_digest(self._history.namespace), dict[str, int]()
        for number, turn in enumerate(self._history.turns, start=1):
            digest = digest_after(digest, turn)
            if turn.role == "assistant":
                ends[digest] = number
        return dict([*ends.items()][-_LONGEST_LOOK_BACK:])

    async def _create(self) -> str:
        row = ConversationRow(
            id=new_id("conv"),
            owner=self._owner,
            labels=self._history.labels,
            external_key=self._history.key,
            created_at=datetime.now(UTC),
        )
        self._session.add(row)
        await self._session.flush()
        return row.id

    def _find(self, tree: Tree, spot: Spot, turn: Turn) -> Spot | None:
        below = tree.below(spot, turn.role)
        digest = digest_after(spot.digest, turn)
        same = next((each for each in below if each.digest == digest), None)
        forgiving = self._history.key is not None and turn.role == "assistant"
        return same or (below[0] if forgiving and below else None)

    async def _find_question(self, tree: Tree, spot: Spot, turn: Turn) -> Spot | None:
        """Returns the question if it was put before, under the same standing words and in full the same."""
        digest = digest_after(spot.digest, turn)
        below = [each for each in tree.below(spot, "user") if each.digest == digest]
        same = [each for each in below if each.standing == self._history.standing]
        ids = [each.message_id for each in same]
        rows = select(MessageRow.id).where(MessageRow.id.in_(ids), MessageRow.content == storable(turn.content))
        found = set(await self._session.scalars(rows)) if ids else set()
        return next((each for each in same if each.message_id in found), None)

    def _add(self, conversation_id: str, spot: Spot, turn: Turn) -> Spot:
        if spot.standing != self._history.standing:
            spot = self._add_standing(conversation_id, spot)
        digest = digest_after(spot.digest, turn)
        row = _new_row(conversation_id, spot, turn.role, turn.content, digest)
        row.attachments = turn.attachments
        self._session.add(row)
        return Spot(row.id, digest, spot.standing, spot.standing_id)

    def _add_standing(self, conversation_id: str, spot: Spot) -> Spot:
        """What is said as system holds from here on; empty, it takes back what was said before."""
        row = _new_row(conversation_id, spot, "system", self._history.standing, spot.digest)
        self._session.add(row)
        return Spot(row.id, spot.digest, self._history.standing, row.id)


async def _find_answer(session: ReadSession, owner: str, ends: dict[str, int]) -> tuple[str, str, int] | None:
    """Returns conversation and id of the answer that ends the longest known part, with the length of that part."""
    rows = (
        select(MessageRow.conversation_id, MessageRow.id, MessageRow.digest)
        .join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
        .where(ConversationRow.owner == owner, MessageRow.digest.in_(ends), MessageRow.role == "assistant")
    )
    found = [
        (ends[digest or ""], message, conversation) for conversation, message, digest in await session.execute(rows)
    ]
    if not found:
        return None
    length, message_id, conversation_id = max(found)
    return conversation_id, message_id, length


def digest_after(digest: str, turn: Turn) -> str:
    """Returns the digest of what was said, with this turn, after what has the digest `digest`."""
    return next_digest(digest, turn.role, storable(turn.known_by or turn.content), turn.attachments)


def _new_row(
    conversation_id: str, spot: Spot, role: Literal["user", "assistant", "system"], content: str, digest: str
) -> MessageRow:
    return MessageRow(
        id=new_id("msg"),
        conversation_id=conversation_id,
        parent_id=spot.message_id,
        standing_id=spot.standing_id,
        floating=False,
        role=role,
        content=content,
        attachments=[],
        digest=digest,
        created_at=datetime.now(UTC),
    )
