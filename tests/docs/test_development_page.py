"""The page for developers sends nobody to a place that is not there."""

import re
from typing import Final

import pytest

from config.checkout import CHECKOUT

PAGE: Final = (CHECKOUT / "docs/development.md").read_text(encoding="utf-8")
ROOMS: Final = r"(?:config|mcp_config|nodes|graph|server|tests|docs|integrations|notebooks)"


@pytest.mark.parametrize("name", sorted(set(re.findall(rf"(?<![\w/.])({ROOMS}/[\w./-]*)", PAGE))))
def test_a_file_or_folder_that_it_names_is_there(name: str) -> None:
    assert (CHECKOUT / name).exists()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`make ([a-z-]+)`", PAGE))))
def test_a_make_target_that_it_names_is_there(target: str) -> None:
    assert re.search(rf"^{target}:.*## ", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
