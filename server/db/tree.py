"""A conversation's messages as a tree, without their words: enough to find one's way in it."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import case, select

from server.db.sessions import ReadSession
from server.db.tables import MessageRow


@dataclass(frozen=True)
class Spot:
    """A place that one can go on from: after a message, or before the first one."""

    message_id: str | None
    digest: str
    standing: str
    """The system message that holds here: its words, and its id, for empty words are said too."""
    standing_id: str | None


@dataclass(frozen=True)
class Node:
    id: str
    parent_id: str | None
    role: Literal["user", "assistant", "system"]
    digest: str | None
    standing: str | None
    """The words of a system message."""


class Tree:
    def __init__(self, nodes: Iterable[Node]) -> None:
        self._nodes = {node.id: node for node in nodes}
        self._below: defaultdict[str | None, list[Node]] = defaultdict(list)
        for node in self._nodes.values():
            self._below[node.parent_id].append(node)

    def spot(self, message_id: str) -> Spot:
        node = self._nodes[message_id]
        standing = self._standing_at(node)
        words, standing_id = (standing.standing or "", standing.id) if standing else ("", None)
        return Spot(node.id, node.digest or "", words, standing_id)

    def below(self, spot: Spot, role: Literal["user", "assistant"]) -> list[Spot]:
        """Returns the messages of a role right after a spot, the newest first. System messages are looked through."""
        found, open_spots = list[Spot](), [spot]
        while open_spots:
            above = open_spots.pop()
            for node in self._below[above.message_id]:
                if node.digest is not None and node.role == "system":
                    open_spots.append(Spot(node.id, node.digest, node.standing or "", node.id))
                elif node.digest is not None and node.role == role:
                    found.append(Spot(node.id, node.digest, above.standing, above.standing_id))
        return sorted(found, key=lambda each: each.message_id or "", reverse=True)

    def _standing_at(self, node: Node | None) -> Node | None:
        while node is not None and node.role != "system":
            node = self._nodes.get(node.parent_id or "")
        return node


async def read_tree(session: ReadSession, conversation_id: str) -> Tree:
    standing = case((MessageRow.role == "system", MessageRow.content), else_=None)
    rows = select(MessageRow.id, MessageRow.parent_id, MessageRow.role, MessageRow.digest, standing)
    rows = rows.where(MessageRow.conversation_id == conversation_id).order_by(MessageRow.id)
    return Tree([Node(*row) for row in await session.execute(rows)])
