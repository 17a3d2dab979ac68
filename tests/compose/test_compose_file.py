"""What docker-compose.yml hands to whom, read as it stands; `check.sh` starts it."""

import re
from typing import Any, Final

import pytest
import yaml

from config.checkout import CHECKOUT
from config.secret_names import names_secret
from config.settings import Settings

TEXT: Final = (CHECKOUT / "docker-compose.yml").read_text()
# what the gateway's own servers are configured with, and what is no setting
OF_THE_GATEWAY: Final = {"mcp_servers", "sql_agent_database_url", "environment"}


def _environment(service: str) -> dict[str, str]:
    compose: dict[str, Any] = yaml.safe_load(TEXT)
    environment: dict[str, str] = compose["services"][service]["environment"]
    return environment


def _secret_settings() -> set[str]:
    """Returns what hides its value: the type says so, or it is left out of what is printed."""
    fields = Settings.model_fields.items()
    hidden = {name for name, field in fields if not field.repr or "SecretStr" in str(field.annotation)}
    return {name.upper() for name in hidden - OF_THE_GATEWAY}


def test_the_settings_that_are_secret_are_found() -> None:
    assert {"OPENAI_API_KEY", "JWT_SECRET", "API_KEYS", "DATABASE_URL", "REDIS_URL"} <= _secret_settings()


@pytest.mark.parametrize("name", sorted(_secret_settings()))
def test_the_gateway_is_given_no_secret_of_the_api(name: str) -> None:
    assert _environment("mcp-gateway").get(name) == "", f"blank {name} for mcp-gateway: `.env` may hold it for the api"


def test_the_gateway_is_given_no_secret_of_the_other_containers() -> None:
    used = {name for name in re.findall(r"\$\{(\w+)", TEXT) if names_secret(name)}
    assert {"POSTGRES_PASSWORD", "OPEN_WEBUI_PASSWORD", "OPENWEBUI_JWT_SECRET"} <= used
    assert {name: _environment("mcp-gateway").get(name) for name in used} == dict.fromkeys(used, "")
