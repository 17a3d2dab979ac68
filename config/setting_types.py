"""What the texts of settings stand for: names, paths, addresses, seconds. Each says in its error what was expected."""

from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from config.checkout import from_checkout
from config.database_url import parse_database_url

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def split(value: object) -> object:
    """Returns the parts of a comma-separated text; what is no text was given in code, and stays."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _web_address(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("expected an address that begins with http:// or https://")
    return value.rstrip("/")


def _public_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError("expected an address that begins with https://, or with http:// and this machine's own name")
    if parts.query or parts.fragment:
        raise ValueError("expected an address without ? and #")
    return value.rstrip("/")


def _redis_address(value: str) -> str:
    if not value.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("expected an address that begins with redis://, rediss:// or unix://")
    return value


def _inline_or_path(value: str) -> str:
    return value if value.lstrip().startswith("{") else str(from_checkout(Path(value)))


FilePath = Annotated[Path, AfterValidator(from_checkout)]
FilePaths = Annotated[list[FilePath], BeforeValidator(split)]
PathOrJson = Annotated[str, AfterValidator(_inline_or_path)]
Names = Annotated[list[str], BeforeValidator(split)]
AnyCase = BeforeValidator(_lower)
WebAddress = Annotated[str, AfterValidator(_web_address)]
PublicAddress = Annotated[str, AfterValidator(_public_address)]
DatabaseUrl = Annotated[str, AfterValidator(parse_database_url)]
RedisUrl = Annotated[str, AfterValidator(_redis_address)]
Seconds = Annotated[float, Field(gt=0, le=3600)]
