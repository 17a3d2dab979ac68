"""Authenticated encryption with the key of a file. Brings in a library of ciphers, so its first use imports it."""

import os
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from server.errors import Unavailable


def encrypt(key_file: Path, value: bytes) -> bytes:
    return _key(key_file, make=True).encrypt(value)


def decrypt(key_file: Path, sealed: bytes) -> bytes | None:
    try:
        return _key(key_file).decrypt(sealed)
    except InvalidToken:
        return None


def _key(file: Path, *, make: bool = False) -> Fernet:
    try:
        if make and not file.exists():
            _make(file)
        return Fernet(file.read_bytes().strip())
    except (OSError, ValueError):
        detail = f"Users' credentials cannot be read: {file.name} in the data folder is missing or no key."
        raise Unavailable("credentials_unreadable", detail) from None


def _make(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.{os.getpid()}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
        opened.write(Fernet.generate_key())
    try:
        os.link(new, file)  # whole, and never over one that another process has just made
    except FileExistsError:
        return
    finally:
        new.unlink()
