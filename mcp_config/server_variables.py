"""What `${NAME}` in `servers.json` can mean: the environment as the settings read it, and what only we know."""

import sys
from collections.abc import Mapping

from config.checkout import CHECKOUT
from config.settings import Settings


def build_variables(settings: Settings) -> Mapping[str, str]:
    return {**settings.environment, "PYTHON": sys.executable, "PROJECT_DIR": str(CHECKOUT)}
