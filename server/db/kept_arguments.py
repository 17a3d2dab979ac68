"""The arguments of calls that wait for a person: kept to the letter, and therefore sealed."""

import json
from typing import Final

from mcp_config.tools import JsonObject
from server.errors import Unavailable
from server.identity.sealing import Seal

_SEALED: Final = "open-agent/sealed"


class KeptArguments:
    def __init__(self, seal: Seal | None) -> None:
        """Without a seal they are kept as they are."""
        self._seal = seal

    def close(self, arguments: JsonObject) -> JsonObject:
        if self._seal is None:
            return arguments
        return {_SEALED: self._seal.close(json.dumps(arguments)).decode()}

    def find(self, kept: JsonObject) -> JsonObject | None:
        """Returns them; None where the key that they were sealed with is not there any more."""
        sealed = kept.get(_SEALED)
        if self._seal is None or not isinstance(sealed, str):
            return kept
        try:
            opened = self._seal.open(sealed.encode())
        except Unavailable:
            return None
        arguments: JsonObject | None = json.loads(opened) if opened is not None else None
        return arguments
