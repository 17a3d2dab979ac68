"""What the settings say about the OpenAI-compatible API."""

from dataclasses import dataclass
from typing import Literal

from pydantic import SecretStr

OnDisconnect = Literal["cancel", "detach"]


@dataclass(frozen=True)
class Terms:
    jwt_secret: SecretStr | None
    """What Open WebUI signs its users' tokens with."""
    on_disconnect: OnDisconnect
