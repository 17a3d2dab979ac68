"""Opens an engine, says where it listens, and waits to be killed. Arguments: folder, weights file name, sha256."""

import asyncio
import sys
from pathlib import Path

from nodes.models.embedded.engine import open_engine
from nodes.models.embedded.weights import Mirror, Weights

FAKE_ENGINE = (sys.executable, "-m", "tests.support.fake_engine")


def known_weights(file_name: str, sha256: str, size: int = 1) -> Weights:
    """Weights that can be fetched from nowhere."""
    mirror = Mirror("no-such-part", "1.0", parts=1, options=("--no-index",))
    return Weights(file_name, sha256, size, "http://127.0.0.1:9/weights", mirror)


async def main(folder: Path, weights: Weights) -> None:
    async with open_engine(folder, weights=weights, command=FAKE_ENGINE) as engine:
        sys.stdout.write(f"{await engine.address()}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), known_weights(sys.argv[2], sys.argv[3])))
