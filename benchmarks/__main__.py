"""All benchmarks, one after the other, each as a process: `make bench`. Fails where a bound does not hold."""

import subprocess
import sys
from typing import Final

from config.checkout import CHECKOUT

BENCHMARKS: Final = ("gateway", "governed", "blockers", "redaction", "long_conversation", "database_size")


def run(name: str) -> bool:
    """Returns whether its bounds hold; it prints its own lines."""
    sys.stdout.write(f"\n{name}\n")
    sys.stdout.flush()
    command = [sys.executable, "-m", f"benchmarks.{name}"]
    return subprocess.run(command, cwd=CHECKOUT, check=False).returncode == 0  # noqa: S603  # names of our own


if __name__ == "__main__":
    failed = [name for name in BENCHMARKS if not run(name)]
    sys.exit(f"\nbeyond their bounds: {', '.join(failed)}" if failed else 0)
