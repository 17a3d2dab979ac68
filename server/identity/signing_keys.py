"""The keys that signed tokens are verified with: a shared secret, or those that the issuer publishes (JWKS).

Which key it is, is ours to say: of a token's header only `alg` and `kid` are read, the one to be compared with what is
allowed, the other to look a key up. `jku`, `x5u` and `jwk` mean nothing: no token has us fetch or trust anything.
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

import httpx
import jwt
import structlog

from server.errors import Unavailable

_TIMEOUT: Final = 5.0
_LARGEST: Final = 262_144
"""Bytes of a set of keys."""
_MOST: Final = 100
_STALE_FOR: Final = 3600.0
"""Seconds that fetched keys are still believed while no newer ones can be had."""
_SHORTEST_RSA: Final = 2048
_KEY_TYPES: Final[dict[str, tuple[str, str | None]]] = {
    "RS": ("RSA", None),
    "PS": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""The type and curve of key that goes with an algorithm."""
Key: TypeAlias = Any
"""A secret, or a public key of `cryptography`: one of a dozen classes without a common base."""

_log = structlog.stdlib.get_logger("server.identity")


class SigningKeys(Protocol):
    async def find(self, algorithm: str, kid: str | None) -> Key | None:
        """Returns the key for a token with this header.

        Raises:
            Unavailable: the keys cannot be had.
        """


class SharedSecret:
    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    async def find(self, algorithm: str, kid: str | None) -> Key | None:
        del algorithm, kid
        return self._secret


@dataclass(frozen=True)
class _PublishedKey:
    kid: str | None
    type: str
    curve: str | None
    algorithm: str | None
    key: Key

    def fits(self, algorithm: str, kid: str | None) -> bool:
        type_and_curve = _KEY_TYPES.get(algorithm) or _KEY_TYPES[algorithm[:2]]
        return (
            (kid is None or kid == self.kid)
            and self.algorithm in (None, algorithm)
            and type_and_curve in ((self.type, self.curve), (self.type, None))
        )


class PublishedKeys:
    """The issuer's present keys, fetched when they are needed: rarely, and never because a token wants it often."""

    def __init__(self, client: httpx.AsyncClient, url: str, max_age: float) -> None:
        self._client, self._url, self._max_age = client, url, max_age
        self._keys: list[_PublishedKey] = []
        self._fetched: float | None = None
        self._tried: float | None = None
        self._fetching = asyncio.Lock()

    async def find(self, algorithm: str, kid: str | None) -> Key | None:
        if self._older_than(self._max_age):
            await self._refresh()
        fitting = self._fitting(algorithm, kid)
        if not fitting:  # perhaps it is newer than what we know
            await self._refresh()
            fitting = self._fitting(algorithm, kid)
        # Without a `kid` only one key can be meant: trying all of them would let tokens cost what they like.
        return fitting[0].key if len(fitting) == 1 else None

    def _fitting(self, algorithm: str, kid: str | None) -> list[_PublishedKey]:
        if self._older_than(max(_STALE_FOR, self._max_age)):
            raise Unavailable("signing_keys_unavailable", "The issuer's keys cannot be fetched.", retry_after=10)
        return [each for each in self._keys if each.fits(algorithm, kid)]

    def _older_than(self, seconds: float) -> bool:
        return self._fetched is None or _now() - self._fetched > seconds

    async def _refresh(self) -> None:
        """Fetches the keys, but not again right after the last try."""
        async with self._fetching:
            if self._tried is not None and _now() - self._tried < min(10.0, self._max_age / 10):
                return
            self._tried = _now()
            try:
                async with asyncio.timeout(_TIMEOUT):
                    self._keys = _read_keys(await self._fetch())
            except (TimeoutError, httpx.HTTPError, ValueError, RecursionError) as error:
                _log.warning("the issuer's keys cannot be fetched", url=self._url, reason=str(error) or repr(error))
            else:
                self._fetched = _now()

    async def _fetch(self) -> bytes:
        async with self._client.stream("GET", self._url) as answer:
            if answer.status_code != httpx.codes.OK:  # also a redirect: who may sign is said by settings alone
                raise ValueError(f"status {answer.status_code}")
            body = b""
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > _LARGEST:
                    raise ValueError(f"more than {_LARGEST} bytes")
            return body


def _read_keys(body: bytes) -> list[_PublishedKey]:
    document = json.loads(body)
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list) or len(entries) > _MOST:
        raise ValueError("this is no set of keys")
    return [key for entry in entries if isinstance(entry, dict) and (key := _find_key(entry))]


def _find_key(entry: dict[str, Any]) -> _PublishedKey | None:
    """Returns the key of an entry; None for one that is not for us: for encryption, a shared one, or too short."""
    if entry.get("use", "sig") != "sig" or entry.get("kty") not in ("RSA", "EC", "OKP") or "d" in entry:
        return None
    try:
        key = jwt.PyJWK.from_dict(entry).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if entry["kty"] == "RSA" and key.key_size < _SHORTEST_RSA:
        return None
    return _PublishedKey(entry.get("kid"), entry["kty"], entry.get("crv"), entry.get("alg"), key)


def _now() -> float:
    return asyncio.get_running_loop().time()
