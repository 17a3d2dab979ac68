"""An engine without a model: the same command line, address and API as the real one's process.

The file `life` beside the weights says how it lives: `serve`, `crash` at the start, or `illegal`, as on a processor
it was not built for. It notes each start, with its process id, in the file `starts`.
"""

import asyncio
import os
import resource
import signal
import sys
from pathlib import Path

from nodes.models.embedded.child import end_with
from tests.support.scripted_model import Replies, anything, open_scripted_model


async def _serve() -> None:
    async with open_scripted_model() as model:
        model.always(anything, Replies.text("Hi ", "there"))
        sys.stdout.write(f"{model.url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def main(weights: Path, parent: int) -> None:
    end_with(parent)
    with weights.with_name("starts").open("a", encoding="utf-8") as starts:
        starts.write(f"{os.getpid()}\n")
    match weights.with_name("life").read_text(encoding="utf-8"):
        case "crash":
            sys.exit("the weights are not weights")
        case "illegal":
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.kill(os.getpid(), signal.SIGILL)
        case _:
            asyncio.run(_serve())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[4]))
