"""How checkpoints are written: sealed. They hold arguments as tools get them, which no redaction may change."""

from langgraph.checkpoint.serde.base import CipherProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from typing_extensions import override

from server.errors import Unavailable
from server.identity.sealing import Seal


class Unreadable(Exception):
    """It was sealed with another key than the one that is there now."""


class _SealCipher(CipherProtocol):
    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    @override
    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        return "sealed", self._seal.close_bytes(plaintext)

    @override
    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        try:
            opened = self._seal.open_bytes(ciphertext)
        except Unavailable as gone:
            raise Unreadable from gone
        if opened is None:
            raise Unreadable
        return opened


def build_serializer(seal: Seal) -> EncryptedSerializer:
    """Returns one that also reads what an earlier version wrote unsealed."""
    return EncryptedSerializer(_SealCipher(seal), JsonPlusSerializer(allowed_msgpack_modules=None))
