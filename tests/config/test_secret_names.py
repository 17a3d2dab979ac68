"""What sounds secret is hidden, in logs and in what is said of tool servers alike."""

import pytest

from config.secret_names import names_secret


@pytest.mark.parametrize(
    "name", ["OPENAI_API_KEY", "KEY_2", "GITHUB_TOKEN", "PGPASSWORD", "DB_PASSWORD_FILE", "SENTRY_DSN", "BASIC_AUTH"]
)
def test_a_name_that_sounds_secret_is_known(name: str) -> None:
    assert names_secret(name)


@pytest.mark.parametrize("name", ["HOME", "KEYTIMEOUT", "XAUTHORITY", "GIT_AUTHOR_NAME", "TOKENIZERS_PARALLELISM"])
def test_a_name_that_only_begins_like_one_is_not(name: str) -> None:
    assert not names_secret(name)
