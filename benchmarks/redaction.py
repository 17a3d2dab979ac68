"""What redaction takes of a long result, and how long nobody else gets a turn: `python -m benchmarks.redaction [MB]`.

Both are counted in CPU of this process: what else the computer does is not in it.
"""

import asyncio
import contextlib
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Final

from benchmarks.measured import Measured, show
from config.agents import Redaction
from config.redaction import Redactor
from mcp_config.calls.long_redaction import LongRedaction

PERSONAL: Final[tuple[Redaction, ...]] = ("email", "phone", "card", "iban", "ip")
SECRETS: Final = [f"s3cret/of-the-house+{number}" for number in range(10)]
MOST_MS_PER_MB: Final = 150
MOST_MS_HELD: Final = 100
"""Far from what is measured on an idle computer, near to what somebody notices."""


def prose(chance: random.Random, size: int) -> str:
    words = ["".join(chance.choices("etaoinshrdlu", k=chance.randint(2, 9))) for _ in range(2_000)]
    return " ".join(chance.choices(words, k=size // 6))[:size]


def rows(chance: random.Random, size: int) -> str:
    row = {"id": 17, "name": "Ann Miller", "mail": "ann@example.com", "token_count": 3, "at": "2026-01-02T10:00:00Z"}
    many = [{**row, "id": chance.randint(1, 10**7), "amount": chance.random()} for _ in range(size // 150)]
    return json.dumps(many)


def log(chance: random.Random, size: int) -> str:
    line = "2026-01-02 10:11:12,123 INFO [10.0.{}.{}] GET https://example.com/a?q={} took {} ms"
    return "\n".join(line.format(*(chance.randint(0, 255) for _ in range(4))) for _ in range(size // 85))


async def take(work: Callable[[], Awaitable[object]], megabytes: float) -> tuple[float, float]:
    """Returns the milliseconds for each MB, and the longest in which no other task had a turn."""
    longest = 0.0

    async def wait_for_turns() -> None:
        nonlocal longest
        while True:
            began = time.process_time()
            await asyncio.sleep(0)
            longest = max(longest, time.process_time() - began)

    waiting = asyncio.create_task(wait_for_turns())
    await asyncio.sleep(0)
    began = time.process_time()
    await work()
    taken = time.process_time() - began
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting
    return taken * 1000 / megabytes, longest * 1000


async def measure(megabytes: int) -> list[Measured]:
    redactor, measured = Redactor(SECRETS), list[Measured]()
    chance = random.Random(5)  # noqa: S311  # the same texts each time
    texts = {make.__name__: make(chance, megabytes * 1_000_000) for make in (prose, rows, log)}
    for name, text in texts.items():
        for kinds in ((), PERSONAL):
            held = f"{megabytes} MB of {name}" + (", personal data too" if kinds else "")
            works = {held: lambda kinds=kinds, text=text: LongRedaction(redactor, kinds).text(text)}
            if name == "rows":
                data = json.loads(text)
                works[f"{held}, as data"] = lambda kinds=kinds, data=data: LongRedaction(redactor, kinds).value(data)
            for what, work in works.items():
                taken, longest = await take(work, len(text) / 1e6)
                bound = None if kinds else MOST_MS_PER_MB
                measured.append(Measured(f"redaction of {what}: CPU", taken, "ms/MB", bound))
                measured.append(Measured(f"redaction of {what}: longest hold", longest, "ms", MOST_MS_HELD))
    return measured


if __name__ == "__main__":
    sys.exit(show(asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 5))))
