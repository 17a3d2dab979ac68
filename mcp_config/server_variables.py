"""What `${NAME}` in `servers.json` can mean: the environment as the settings read it, and what only we know."""

import os
import sys
from collections.abc import Mapping

from config.checkout import CHECKOUT
from config.settings import Settings


def build_variables(settings: Settings) -> Mapping[str, str]:
    """Returns the variables; lists of folders are separated as in `PATH`."""
    return {
        **settings.environment,
        "PYTHON": sys.executable,
        "PROJECT_DIR": str(CHECKOUT),
        "DATA_DIR": str(settings.data_dir),
        "DOCS_FOLDERS": os.pathsep.join(map(str, settings.docs_folders)),
        "LOG_FOLDERS": os.pathsep.join(map(str, settings.log_folders)),
    }
