"""Users' own credentials for upstream tool servers, as the API shows them: never what they are."""

from typing import Annotated

from pydantic import Field, SecretStr, field_validator

from graph.events import Moment
from server.resources.resource import Request, Resource


class NewCredential(Request):
    """What a server is to know the caller by."""

    value: Annotated[SecretStr, Field(min_length=1, max_length=8192, strict=False)]
    """Goes into a header: visible ASCII characters, no line breaks."""

    @field_validator("value")
    @classmethod
    def _fits_a_header(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        if not (text.isascii() and text.isprintable() and text == text.strip()):
            raise ValueError("expected visible ASCII characters, with no line breaks and no spaces at the ends")
        return value


class UserCredential(Resource):
    """A credential that servers want of each user, or that the caller has stored."""

    name: str
    servers: list[str]
    """Which servers want it."""
    updated_at: Moment | None
    """When the caller stored it; null while they have not."""


class UserCredentials(Resource):
    data: list[UserCredential]
