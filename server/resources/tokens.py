"""API keys that are made and revoked here, as admins see them."""

from datetime import datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, Field

from config.api_keys import Role
from config.owners import check_owner
from graph.events import Moment
from server.resources.resource import Request, Resource

OwnerName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(check_owner)]
TOKEN_ID: Final = r"^key_[0-9a-f-]{36}$"  # noqa: S105 - the shape of an id


class NewToken(Request):
    """A key to make."""

    name: OwnerName
    """Who owns what is made with it. Several keys may have one name: so a key is changed without losing anything."""
    role: Role = "user"
    expires_at: AwareDatetime | None = Field(None, strict=False, description="When it stops; without it, never.")


class Token(Resource):
    """A key that was made here. What it is was shown once, when it was made."""

    id: str
    name: str
    role: Role
    prefix: str
    """How it begins, to tell keys apart."""
    created_at: Moment
    expires_at: Moment | None
    revoked_at: Moment | None
    last_used_at: Moment | None
    """To the minute."""

    def works_at(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class MadeToken(Token):
    """A key just made: the only answer that has it."""

    token: str
