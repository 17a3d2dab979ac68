"""`X-Act-As`: a service key acts for one of its users, who then owns what is made and has a user's rights."""

from typing import Final

from starlette.datastructures import Headers

from config.owners import is_owner
from mcp_config.audit import AuditEntry
from server.db.audit import AuditTrail
from server.errors import Forbidden, Invalid
from server.keys import Principal

HEADER: Final = "X-Act-As"


async def act_as(principal: Principal, headers: Headers, deed: str, audit: AuditTrail) -> Principal:
    """Returns who acts: the user whom a service names, else whoever asks. `deed` says what is asked for.

    Raises:
        Forbidden: only services speak for others.
        Invalid: this cannot be anybody's name.
        Unavailable: it could not be written down; so it is not done.
    """
    named = headers.getlist(HEADER)
    if not named:
        return principal
    if principal.role != "service":
        raise Forbidden("service_only", f"{HEADER} needs an API key with the role service.")
    # bytes of a header are read as Latin-1; names are UTF-8
    user = named[0].encode("latin-1").decode(errors="replace")
    if len(named) > 1 or not is_owner(user):
        raise Invalid("invalid_header", f"{HEADER} is one name of 1 to 200 printable characters.")
    entry = AuditEntry(principal.name, principal.role, "principal.act_as", user, "ok", detail={"request": deed})
    await audit.record(entry)
    return Principal(user, "user", by=principal.name, scopes=principal.scopes)
