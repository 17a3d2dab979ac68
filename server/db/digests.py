"""What was said from a conversation's beginning up to a message, as one hash: by it a resent history is recognised."""

import hashlib
import json
from collections.abc import Iterable

from server.resources.conversations import Attachment


def first_digest(namespace: str) -> str:
    """Returns what chains of one namespace begin with: the same words in another one are another history."""
    return _hash(["", namespace])


def next_digest(before: str, role: str, words: str, attachments: Iterable[Attachment] = ()) -> str:
    """Returns the digest of a message after the one with the digest `before`. White space says nothing."""
    attached = [part for each in attachments for part in (each.type, each.media_type, each.data or "", each.url or "")]
    return _hash([before, role, " ".join(words.split()), *attached])


def _hash(parts: list[str]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
