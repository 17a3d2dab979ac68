"""Signed tokens (JWT): who the issuer says is asking, and as what. Knows neither HTTP nor where keys come from."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import httpx
import jwt
import structlog

from config.api_keys import Role
from config.owners import is_owner
from config.settings import Settings
from mcp_config.names import clean_text
from server.errors import Forbidden
from server.identity.signing_keys import PublishedKeys, SharedSecret, SigningKeys
from server.keys import Principal

_LONGEST: Final = 16_384
_LONGEST_KID: Final = 200
_LONGEST_REASON: Final = 200
_RANKS: Final[tuple[Role, ...]] = ("admin", "service", "user")
"""Who has several roles has the first of these."""
_FOREIGN: Final = "openwebui:"
"""Owners under which Open WebUI's users are kept: its own token proves those."""

_log = structlog.stdlib.get_logger("server.identity")

Claims = dict[str, Any]  # Any: a token may claim anything


@dataclass(frozen=True)
class TokenTerms:
    """What a token has to say."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    leeway: float
    roles_claim: str
    roles: dict[str, Role]
    scopes_claim: str | None


def _build_terms(settings: Settings) -> TokenTerms:
    return TokenTerms(
        issuer=settings.jwt_issuer or "",
        audience=settings.jwt_audience or "",
        algorithms=settings.jwt_algorithms,
        leeway=settings.jwt_leeway_seconds,
        roles_claim=settings.jwt_roles_claim,
        roles=settings.jwt_roles,
        scopes_claim=settings.jwt_scopes_claim,
    )


class SignedTokens:
    def __init__(self, keys: SigningKeys, terms: TokenTerms) -> None:
        self._keys, self._terms = keys, terms

    async def find(self, token: str) -> Principal | None:
        """Returns whom a valid token names; None for any other, whatever is wrong with it.

        Raises:
            Forbidden: the token is valid, and gives its holder no role here.
            Unavailable: the issuer's keys cannot be had.
        """
        try:
            claims = await self._verify(token)
        # A token is a stranger's text: what it makes of numbers and depth is no fault of ours.
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            # Only the log tells: whoever set the issuer up has to learn what does not fit, and who guesses must not.
            _log.info("token refused", reason=clean_text(str(error), _LONGEST_REASON))
            return None
        return Principal(claims["sub"], self._role(claims), scopes=self._scopes(claims))

    async def _verify(self, token: str) -> Claims:
        if len(token) > _LONGEST:
            raise ValueError(f"it is longer than {_LONGEST} characters")
        header = jwt.get_unverified_header(token)
        algorithm, kid = header.get("alg"), header.get("kid")
        named = kid is None or (isinstance(kid, str) and len(kid) <= _LONGEST_KID)
        if algorithm not in self._terms.algorithms:
            raise ValueError(f"its algorithm is not among {', '.join(self._terms.algorithms)} (JWT_ALGORITHMS)")
        if not named or "crit" in header:
            raise ValueError("its header has a `kid` that is no name, or a `crit`")
        if (key := await self._keys.find(algorithm, kid)) is None:
            raise ValueError("the issuer has no key of its `kid` and algorithm")
        claims: Claims = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=self._terms.audience,
            issuer=self._terms.issuer,
            leeway=self._terms.leeway,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
        subject = claims["sub"]
        if not isinstance(subject, str) or not is_owner(subject) or subject.startswith(_FOREIGN):
            raise ValueError("its `sub` cannot be the name of an owner here")
        return claims

    def _role(self, claims: Claims) -> Role:
        roles = self._terms.roles
        held = {roles[value] for value in _texts(_claim(claims, self._terms.roles_claim)) if value in roles}
        if not held and "user" in roles.values():
            raise Forbidden("no_role", "Your token is valid, and gives you no role here: see JWT_ROLES.")
        return next((role for role in _RANKS if role in held), "user")

    def _scopes(self, claims: Claims) -> frozenset[str] | None:
        name = self._terms.scopes_claim
        return None if name is None else frozenset(_texts(_claim(claims, name)))


def build_signed_tokens(settings: Settings, client: httpx.AsyncClient) -> SignedTokens:
    return SignedTokens(_signing_keys(settings, client), _build_terms(settings))


def _signing_keys(settings: Settings, client: httpx.AsyncClient) -> SigningKeys:
    if settings.jwt_secret:
        return SharedSecret(settings.jwt_secret.get_secret_value())
    return PublishedKeys(client, settings.jwt_jwks_url or "", settings.jwt_jwks_seconds)


def _claim(claims: Claims, name: str) -> object:
    """Returns a claim by its name, or by the way inside where no claim has that name."""
    if name in claims:
        return claims[name]
    value: object = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _texts(value: object) -> Iterable[str]:
    """Returns the words of a claim: of a list, or of a text with spaces, as `scope` has them."""
    if isinstance(value, str):
        return value.split()
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
