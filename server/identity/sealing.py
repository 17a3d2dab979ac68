"""Seals what the database must not tell: what users trusted us with, what tools are given. The key is a file beside."""

from pathlib import Path
from typing import Final

SEAL_FILE: Final = "credentials.key"


class Seal:
    """Authenticated encryption with the key of a file, which is made when the first thing is sealed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def close(self, value: str) -> bytes:
        """Raises: Unavailable, the key can be neither read nor made."""
        return self.close_bytes(value.encode())

    def close_bytes(self, value: bytes) -> bytes:
        """Raises: Unavailable, the key can be neither read nor made."""
        from server.identity.cipher import encrypt  # noqa: PLC0415 - a big library, which no start waits for

        return encrypt(self._path, value)

    def open(self, sealed: bytes) -> str | None:
        """Returns what was sealed; None where it was sealed with another key.

        Raises:
            Unavailable: the key is not there, or is none.
        """
        opened = self.open_bytes(sealed)
        return None if opened is None else opened.decode()

    def open_bytes(self, sealed: bytes) -> bytes | None:
        """As `open`."""
        from server.identity.cipher import decrypt  # noqa: PLC0415

        return decrypt(self._path, sealed)
