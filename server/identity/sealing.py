"""Seals what users trusted us with, so that the database alone gives nothing away. The key is a file beside it."""

import os
from pathlib import Path
from typing import Final

from cryptography.fernet import Fernet, InvalidToken

from server.errors import Unavailable

SEAL_FILE: Final = "credentials.key"


class Seal:
    """Authenticated encryption with the key of a file, which is made when the first thing is sealed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def close(self, value: str) -> bytes:
        """Raises: Unavailable, the key can be neither read nor made."""
        return self._key(make=True).encrypt(value.encode())

    def open(self, sealed: bytes) -> str | None:
        """Returns what was sealed; None where it was sealed with another key.

        Raises:
            Unavailable: the key is not there, or is none.
        """
        try:
            return self._key().decrypt(sealed).decode()
        except InvalidToken:
            return None

    def _key(self, *, make: bool = False) -> Fernet:
        try:
            if make and not self._path.exists():
                self._make()
            return Fernet(self._path.read_bytes().strip())
        except (OSError, ValueError):
            detail = f"Users' credentials cannot be read: {self._path.name} in the data folder is missing or no key."
            raise Unavailable("credentials_unreadable", detail) from None

    def _make(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(Fernet.generate_key())
        try:
            os.link(new, self._path)  # whole, and never over one that another process has just made
        except FileExistsError:
            return
        finally:
            new.unlink()
