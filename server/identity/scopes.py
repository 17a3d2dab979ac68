"""What the scopes of a token let it do. Reading one's own things needs none."""

import re
from typing import Final

from server.errors import Forbidden
from server.keys import Principal

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_NEEDED: Final = (
    (re.compile(r"/v1/tools/[^/]+/check"), None),
    (re.compile(r"/v1/tools/[^/]+/invoke|/mcp(/.*)?"), "tools:invoke"),
    (re.compile(r"/v1/approvals/.+"), "approvals:resolve"),
    (re.compile(r"/.*"), "runs:write"),
)
"""The first that fits. The gateway's tools are called by hand, too; a route that is new needs the widest."""


def check_scope(principal: Principal, method: str, path: str) -> None:
    """Raises: Forbidden."""
    if principal.scopes is None or (method in _READING and not path.startswith("/mcp")):
        return
    needed = next(scope for pattern, scope in _NEEDED if pattern.fullmatch(path))
    if needed is not None and needed not in principal.scopes:
        challenge = f'Bearer realm="open-agent", error="insufficient_scope", scope="{needed}"'
        detail = f"Your token has no scope {needed}."
        raise Forbidden("insufficient_scope", detail, headers={"WWW-Authenticate": challenge})
