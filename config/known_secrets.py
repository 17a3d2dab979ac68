"""Which texts must not be seen: what the configuration calls, or holds as, a secret."""

from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from config.api_keys import ApiKey
from config.secret_names import names_secret
from config.settings import Settings


def find_secrets(settings: Settings, keys: Iterable[ApiKey], others: Iterable[str] = ()) -> set[str]:
    """Returns API keys, providers' keys, passwords of databases, what the environment names a secret, and `others`."""
    given = [getattr(settings, name) for name in type(settings).model_fields]
    fields = [value.get_secret_value() for value in given if isinstance(value, SecretStr)]
    named = [value for name, value in settings.environment.items() if names_secret(name)]
    passwords = [password for value in (*given, *named) if isinstance(value, str) for password in _passwords(value)]
    # the path of a SQLite file is none: it stands in messages that tell people what to do
    named = [value for value in named if not value.startswith("sqlite:")]
    return {*fields, *(key.key.get_secret_value() for key in keys), *named, *passwords, *others} - {""}


def _passwords(address: str) -> list[str]:
    """Returns the password of an address as it is written and as it is meant."""
    try:
        password = urlsplit(address).password or "" if "://" in address else ""
    except ValueError:
        return []
    return [password, unquote(password)]
