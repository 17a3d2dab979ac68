"""How a server wants to be logged in to, as its entry says, and what its authorization server is told of us. Pure."""

from dataclasses import dataclass, field
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

HOUSE: Final = ""
"""The owner of a login that all callers share."""

Grant = Literal["login", "client_credentials"]
Algorithm = Literal["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "EdDSA"]


@dataclass(frozen=True)
class OAuth:
    """`login`: a person agrees, once, in a browser. `client_credentials`: we prove who we are by ourselves."""

    grant: Grant = "login"
    per_user: bool = False
    """Whether each user logs in for themselves; calls then go over sessions of their callers' own."""
    client_id: str = ""
    """Without one we register ourselves, or are known by our address, as the server's authorization server has it."""
    client_secret: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    """PEM."""
    algorithm: Algorithm = "ES256"
    issuer: str = ""
    """The one authorization server that secret and key are for, whichever the MCP server names."""
    scopes: tuple[str, ...] = ()
    """What is asked for; empty leaves it to the server to say."""


@dataclass(frozen=True)
class Ourselves:
    """What authorization servers are told about this installation."""

    redirect_url: str
    """Where browsers are sent back to."""
    document_url: str | None = None
    """Where it is described, for those that know clients by such a document."""


class OAuthEntry(BaseModel):
    """`auth` in an entry's `x-open-agent`."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["oauth"] = "oauth"
    grant: Grant = "login"
    per_user: bool = False
    client_id: str = ""
    client_secret: str = ""
    private_key: str = ""
    algorithm: Algorithm = "ES256"
    issuer: str = Field("", pattern=r"^(https?://.*)?$")
    scopes: list[str] = []

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        secret = bool(self.client_secret or self.private_key)
        if secret and not (self.client_id and self.issuer):
            raise ValueError("a secret goes with `client_id`, and with the `issuer` that alone is shown it")
        if self.grant == "client_credentials" and (not secret or self.per_user):
            raise ValueError("`client_credentials` needs `client_secret` or `private_key`, and is nobody's own")
        if self.grant == "login" and self.private_key:
            raise ValueError("`private_key` goes with the grant `client_credentials`")
        return self

    @property
    def secrets(self) -> list[str]:
        return [secret for secret in (self.client_secret, self.private_key) if secret]

    def build(self) -> OAuth:
        return OAuth(**{**self.model_dump(exclude={"type"}), "scopes": tuple(self.scopes)})


OAuthGiven = Annotated[OAuthEntry, BeforeValidator(lambda given: {} if given == "oauth" else given)]
"""`"auth": "oauth"` says all where nothing was agreed on beforehand."""
