"""The CPU of the next run of a conversation of 10,000 messages, as a multiple of that of one of 10.

`python -m benchmarks.long_conversation`: measured in one process, in turns; what else the computer does is in both.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.measured import Measured, show
from tests.engine.conftest import House, Site
from tests.engine.talk import ask, final
from tests.engine.test_long_conversation import converse
from tests.support.scripted_model import Replies, anything, open_scripted_model

ROUNDS: Final = 30
LARGEST_RATIO: Final = 1.5


async def measure() -> float:
    """Returns the ratio of the medians."""
    with tempfile.TemporaryDirectory() as folder:
        async with open_scripted_model() as model:
            model.always(anything, Replies.text("Hi."))
            site = Site(Path(folder), f"sqlite:///{folder}/app.db", model)
            async with site.house() as house:
                await _run(house, 10)
                pairs = [(await _run(house, 10), await _run(house, 10_000)) for _ in range(ROUNDS)]
    short, long = (statistics.median(each) for each in zip(*pairs, strict=True))
    return long / short


async def _run(house: House, messages: int) -> float:
    """Returns the seconds of CPU, the scripted model's among them, that the next run takes."""
    conversation_id = await converse(house, messages)
    began = time.process_time()
    await final(house, await ask(house, "hello", conversation_id))
    return time.process_time() - began


if __name__ == "__main__":
    what = "the next run of 10,000 messages beside one of 10: CPU"
    sys.exit(show([Measured(what, asyncio.run(measure()), "times", LARGEST_RATIO)]))
