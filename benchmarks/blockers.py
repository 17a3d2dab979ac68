"""How soon health is answered while somebody keeps the server busy: `python -m benchmarks.blockers [ASKED]`.

The real server, as a process. A second thread of this one keeps the blocker going for as long as health is asked.
"""

import asyncio
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from benchmarks.gateway import open_process, read_until
from benchmarks.measured import Measured, show
from config.checkout import CHECKOUT

MOST_MS: Final = 200.0
PATIENCE: Final = 60.0
KEY: Final = "key-of-the-benchmark"
_POLICIES: Final = "rules: [{match: '*', verdict: allow}]\ntools: {'*': {timeout: 30}}\n"


@dataclass(frozen=True)
class House:
    """The server that is measured."""

    url: str

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        with httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE, trust_env=False) as client:
            yield client

    def post(self, path: str, content: bytes, expected: int, words: str = "") -> None:
        with self.client() as client:
            answer = client.post(path, content=content)
        if answer.status_code != expected or words not in answer.text:
            raise RuntimeError(f"{path} answered {answer.status_code}: {answer.text[:300]}")

    def call(self, tool: str, arguments: str, expected: int, words: str) -> None:
        self.post(f"/v1/tools/blocking__{tool}/invoke", f'{{"arguments": {arguments}}}'.encode(), expected, words)


def send_huge(house: House) -> None:
    """All that is taken in one body, and what is refused of it."""
    house.post("/v1/conversations", b'{"metadata": {"a": "' + b"x" * 9_900_000 + b'"}}', 422)
    house.post("/v1/conversations", b'{"a": [' + b"[]," * 3_200_000 + b"[]]}", 413)
    house.post("/v1/conversations", b'{"a": [' + b'{"b":"c"},' * 49_000 + b"0]}", 422)
    house.post("/v1/conversations", b'{"title": ' + b"[" * 4_900_000 + b"]" * 4_900_000 + b"}", 413)


HARD: Final = json.dumps({"text": "a" * 10_000 + "!"})
BLOCKERS: Final[dict[str, Callable[[House], None]]] = {
    "a tool that sleeps 10 s": lambda house: house.call("sleep", "{}", 200, "slept"),
    "patterns that backtrack": lambda house: house.call("match", HARD, 422, "takes too long"),
    "huge bodies": send_huge,
    "huge results": lambda house: house.call("rows", "{}", 200, "Ann Miller"),
}


@contextmanager
def kept_up(work: Callable[[House], None], house: House) -> Iterator[threading.Event]:
    """Does the work again and again, in a thread; what is yielded is set when it was done once, or failed."""
    stop, once, failed = threading.Event(), threading.Event(), list[Exception]()

    def repeat() -> None:
        try:
            while not stop.is_set():
                work(house)
                once.set()
        except (RuntimeError, httpx.HTTPError) as error:
            failed.append(error)
        finally:
            once.set()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield once
    finally:
        stop.set()
        thread.join()
    if failed:
        raise failed[0]


def ask_health(house: House, count: int) -> list[float]:
    """Returns the milliseconds of each answer."""
    spent = []
    with house.client() as client:
        for _ in range(count):
            began = time.perf_counter()
            client.get("/healthz").raise_for_status()
            spent.append((time.perf_counter() - began) * 1000)
            time.sleep(0.005)
    return spent


def measure_beside(house: House, count: int) -> Iterator[Measured]:
    yield build_row("nothing", ask_health(house, count), None)
    for name, work in BLOCKERS.items():
        with kept_up(work, house) as once:
            spent = ask_health(house, count)
            while not once.is_set():
                spent += ask_health(house, count)
        yield build_row(name, spent, MOST_MS)


def build_row(name: str, spent: list[float], bound: float | None) -> Measured:
    return Measured(f"health beside {name}: p99 of {len(spent)}", statistics.quantiles(spent, n=100)[98], "ms", bound)


async def measure(count: int) -> list[Measured]:
    with tempfile.TemporaryDirectory() as folder:
        policies = Path(folder) / "policies.yaml"
        policies.write_text(_POLICIES)
        blocking = {"command": sys.executable, "args": ["-m", "benchmarks.blocking_server"], "cwd": str(CHECKOUT)}
        settings = {
            "DATA_DIR": folder,
            "HOME": folder,
            "PORT": "0",
            "API_KEYS": f"bench=admin:{KEY}",
            "MCP_SERVERS": json.dumps({"mcpServers": {"blocking": blocking}}),
            "TOOL_POLICIES_FILE": str(policies),
            "DEFAULT_MODEL": "none",
            "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
        }
        async with open_process(sys.executable, "-m", "server.cli", "serve", **settings) as process:
            told = await read_until(process, "http://")
            house = House(f"http://{told.partition('http://')[2].split()[0]}")
            await asyncio.to_thread(house.call, "match", '{"text": "a"}', 200, "ok")  # returns when its server is up
            return await asyncio.to_thread(lambda: [*measure_beside(house, count)])


if __name__ == "__main__":
    sys.exit(show(asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 400))))
