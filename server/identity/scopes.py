"""What the scopes of a token let it do. Reading one's own things needs none."""

import re
from typing import Final

from server.errors import CHALLENGE, Forbidden
from server.keys import Principal

_APPROVALS: Final = "approvals:resolve"
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_NEEDED: Final = (
    (re.compile(r"/v1/tools/[^/]+/check"), None),
    (re.compile(r"/v1/tools/[^/]+/invoke|/mcp(/.*)?", re.DOTALL), "tools:invoke"),
    (re.compile(r"/v1/approvals/.+", re.DOTALL), _APPROVALS),
    (re.compile(r".*", re.DOTALL), "runs:write"),
)
"""The first that fits. The gateway's tools are called by hand, too; a route that is new needs the widest."""


def check_scope(principal: Principal, method: str, path: str) -> None:
    """Raises: Forbidden."""
    if principal.scopes is None or (method in _READING and not path.startswith("/mcp")):
        return
    needed = next(scope for pattern, scope in _NEEDED if pattern.fullmatch(path))
    if needed is not None and needed not in principal.scopes:
        raise _insufficient(needed)


def may_resolve(scopes: frozenset[str] | None) -> bool:
    """Tells whether approvals may be answered, by whatever way the answer comes."""
    return scopes is None or _APPROVALS in scopes


def check_resolving(scopes: frozenset[str] | None) -> None:
    """Raises: Forbidden."""
    if not may_resolve(scopes):
        raise _insufficient(_APPROVALS)


def _insufficient(needed: str) -> Forbidden:
    challenge = f'{CHALLENGE}, error="insufficient_scope", scope="{needed}"'
    return Forbidden(
        "insufficient_scope", f"Your token has no scope {needed}.", headers={"WWW-Authenticate": challenge}
    )
