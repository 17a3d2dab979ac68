"""Ids that sort by time: a prefix that tells the kind, then a UUIDv7 (RFC 9562)."""

import hashlib
import uuid
from typing import Literal

from uuid_utils.compat import uuid7

IdKind = Literal["conv", "msg", "run", "step", "call", "appr", "art", "req", "mem", "aud", "key"]


def new_id(kind: IdKind) -> str:
    """Returns a fresh id such as `run_0199…`; ids of one kind sort in the order they were made."""
    return f"{kind}_{uuid7()}"


def after(newest: str | None, fresh: str) -> str:
    """Returns a fresh id, moved behind `newest` if the clock was set back since that was made."""
    if newest is None or fresh > newest:
        return fresh
    birth = int.from_bytes(_bytes_of(newest)[:6]) + 1
    kind = fresh.partition("_")[0]
    return f"{kind}_{uuid.UUID(bytes=birth.to_bytes(6) + _bytes_of(fresh)[6:])}"


def derive_id(kind: IdKind, parent: str, name: str) -> str:
    """Returns the id that `name` always has under `parent`, so that work done again keeps its id.

    The time part is the parent's; the random part is the SHA-256 of both names.
    """
    birth = _bytes_of(parent)[:6]
    digest = hashlib.sha256(f"{parent}/{kind}/{name}".encode()).digest()[:10]
    version_and_variant = bytes([0x70 | digest[0] & 0x0F, digest[1], 0x80 | digest[2] & 0x3F])
    return f"{kind}_{uuid.UUID(bytes=birth + version_and_variant + digest[3:])}"


def _bytes_of(name: str) -> bytes:
    return uuid.UUID(name.partition("_")[2]).bytes
