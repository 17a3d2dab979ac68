"""What is kept of a login, and who keeps it. Not known here: the protocol by which it was had."""

from collections.abc import Iterator
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from mcp_config.tools import JsonObject


class LoginRecord(BaseModel):
    """One owner's login to one server. It is good for that address alone, whatever the server's entry says later."""

    model_config = ConfigDict(frozen=True)

    url: str
    client: JsonObject | None = None
    """What the authorization server knows us by."""
    tokens: JsonObject | None = None
    """None when they are no longer taken."""
    wanted: str = ""
    """Scopes that the server asked for when a call needed more than was allowed: the next login asks for them."""
    lacking: str = ""
    """Those that this login does not give."""

    def is_known_for(self, redirect_url: str) -> bool:
        """Tells whether what we are known by will do: for being sent back to there, and for all that is wanted."""
        client = self.client or {}
        registered, scopes = client.get("redirect_uris"), client.get("scope")
        allowed = scopes.split() if isinstance(scopes, str) else []
        return isinstance(registered, list) and redirect_url in registered and {*self.wanted.split()} <= {*allowed}

    @property
    def secrets(self) -> Iterator[str]:
        for kept, names in ((self.tokens, ("access_token", "refresh_token")), (self.client, ("client_secret",))):
            yield from (value for name in names if kept and isinstance(value := kept.get(name), str))


class LoginStore(Protocol):
    """Keeps logins so that whoever finds the store cannot read them."""

    async def find(self, owner: str, server: str) -> LoginRecord | None:
        """Returns the login, as far as it can be read."""

    async def keep(self, owner: str, server: str, record: LoginRecord) -> None:
        """Keeps it in the place of an earlier one; returns once that is durable."""

    async def forget(self, owner: str, server: str) -> None:
        """Removes it, if there is one."""


class Unkept:
    """For where nothing is kept: nobody is logged in anywhere."""

    async def find(self, owner: str, server: str) -> LoginRecord | None:
        return None

    async def keep(self, owner: str, server: str, record: LoginRecord) -> None:
        """Ends with the process."""

    async def forget(self, owner: str, server: str) -> None:
        """There is nothing to remove."""
