"""The settings of who may come in: API keys, signed tokens, browsers of other origins."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings

from config.api_keys import ApiKey, Role, find_role, parse_api_keys
from config.setting_types import split

SHARED_ALGORITHMS: Final = frozenset({"HS256", "HS384", "HS512"})
PUBLIC_ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
_SHORTEST_SECRET: Final = 32
"""Bytes, as RFC 7518 asks of HS256."""


def _parsed_keys(value: object) -> object:
    return parse_api_keys(value) if isinstance(value, str) else value


def _parsed_roles(value: object) -> object:
    if not isinstance(value, str):
        return value
    roles: dict[str, Role] = {}
    for number, entry in enumerate(filter(None, map(str.strip, value.split(","))), start=1):
        name, _, claim = (part.strip() for part in entry.partition("="))
        role = find_role(name)
        if role is None or not claim:
            raise ValueError(f"entry {number}: expected role=value, the role being user, admin or service")
        roles[claim] = role
    return roles


def _algorithm(value: str) -> str:
    if value not in SHARED_ALGORITHMS | PUBLIC_ALGORITHMS:
        raise ValueError(f"expected names such as RS256 or ES256, got {value!r}")
    return value


def _origin(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or value != f"{parts.scheme}://{parts.netloc}":
        raise ValueError("expected origins such as https://app.example.com, without a path and without *")
    return value.lower()


def _keys_address(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("expected an address that begins with https:// or http://")
    return value


Algorithms = Annotated[tuple[Annotated[str, AfterValidator(_algorithm)], ...], BeforeValidator(split)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], BeforeValidator(split)]


class AuthSettings(BaseSettings):
    """A part of `config.settings.Settings`, which says how all of them are read."""

    auth_mode: Literal["apikey", "jwt"] = "apikey"
    """How clients prove who they are: `apikey` by an API key; `jwt` also by a signed token (`docs/auth.md`)."""
    api_keys: Annotated[tuple[ApiKey, ...], BeforeValidator(_parsed_keys)] = Field(default=(), repr=False)
    """`[name=][role:]key`, comma-separated. Without any, one admin key is generated and kept under `data_dir`."""
    jwt_issuer: str | None = None
    """The `iss` of tokens, exactly."""
    jwt_audience: str | None = None
    """What tokens have in `aud`: this server, as the issuer knows it."""
    jwt_jwks_url: Annotated[str, AfterValidator(_keys_address)] | None = None
    """Where the issuer publishes its keys."""
    jwt_jwks_seconds: float = Field(default=300, ge=0.1, le=86_400)
    """How old the issuer's keys may get before they are fetched anew; an unknown key is looked for sooner."""
    jwt_secret: SecretStr | None = None
    """Instead of `jwt_jwks_url`: the secret that the issuer shares with this server, of at least 32 bytes."""
    jwt_algorithms: Algorithms = Field(
        default_factory=lambda checked: ("HS256",) if checked.get("jwt_secret") else ("RS256", "ES256")
    )
    """What tokens may be signed with: HS* with a secret, the others with published keys; never both."""
    jwt_leeway_seconds: float = Field(default=30, ge=0, le=60)
    """How far the clocks of the issuer and this server may be apart."""
    jwt_roles_claim: str = Field(default="roles", min_length=1)
    """The claim that names roles; dots lead inside, as in `realm_access.roles`."""
    jwt_roles: Annotated[dict[str, Role], BeforeValidator(_parsed_roles)] = {}
    """`role=value`, comma-separated: which values of that claim make an admin, a service or a user."""
    jwt_scopes_claim: str | None = None
    """The claim that names scopes, such as `scope`. Set, a token acts only within them; unset, nobody looks at them."""
    openwebui_jwt_secret: SecretStr | None = None
    """Open WebUI's `FORWARD_USER_INFO_HEADER_JWT_SECRET`: with it, each of its users owns their conversations."""
    cors_origins: Origins = ()
    """Origins whose pages may call the API from a browser; by default none."""

    @model_validator(mode="after")
    def _tokens_can_be_verified(self) -> Self:
        if self.auth_mode == "jwt":
            _require({"JWT_ISSUER": self.jwt_issuer, "JWT_AUDIENCE": self.jwt_audience})
            if (self.jwt_secret is None) == (self.jwt_jwks_url is None):
                raise ValueError("AUTH_MODE=jwt needs one of JWT_JWKS_URL and JWT_SECRET, and not both")
            if self.jwt_secret and len(self.jwt_secret.get_secret_value().encode()) < _SHORTEST_SECRET:
                raise ValueError(f"JWT_SECRET is shorter than {_SHORTEST_SECRET} bytes: it could be guessed")
            fitting = SHARED_ALGORITHMS if self.jwt_secret else PUBLIC_ALGORITHMS
            if not self.jwt_algorithms or not fitting.issuperset(self.jwt_algorithms):
                source = "JWT_SECRET" if self.jwt_secret else "JWT_JWKS_URL"
                raise ValueError(f"JWT_ALGORITHMS: {source} goes with {', '.join(sorted(fitting))} only")
        return self


def _require(settings: Mapping[str, str | None]) -> None:
    if missing := [name for name, value in settings.items() if not value]:
        raise ValueError(f"AUTH_MODE=jwt needs {' and '.join(missing)}")
