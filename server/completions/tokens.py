"""Open WebUI's signed word for who its user is."""

from dataclasses import dataclass
from typing import Any

import jwt

from server.errors import Unauthenticated


@dataclass(frozen=True)
class OpenWebUIUser:
    id: str
    admin: bool


def verify_user(token: str, secret: str) -> OpenWebUIUser:
    """Raises: Unauthenticated, when the token is missing, forged, expired, or not Open WebUI's."""
    if not token:
        detail = "The request names a user without a token: set FORWARD_USER_INFO_HEADER_JWT_SECRET in Open WebUI."
        raise Unauthenticated("no_user_token", detail)
    try:
        claims: dict[str, Any] = jwt.decode(  # Any: a token may claim anything
            token, secret, algorithms=["HS256"], issuer="open-webui", options={"require": ["exp", "iss", "sub"]}
        )
    except jwt.ExpiredSignatureError as error:
        detail = "The user's token has expired: are the clocks of Open WebUI and this server equal?"
        raise Unauthenticated("wrong_user_token", detail) from error
    except jwt.InvalidTokenError as error:
        detail = "The user's token is not valid: OPENWEBUI_JWT_SECRET must equal Open WebUI's own secret."
        raise Unauthenticated("wrong_user_token", detail) from error
    if not claims["sub"]:
        raise Unauthenticated("wrong_user_token", "The user's token names no user.")
    return OpenWebUIUser(claims["sub"], claims.get("role") == "admin")
