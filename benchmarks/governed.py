"""What governing adds to a call in one process, in CPU of that process: `python -m benchmarks.governed [CALLS]`.

One echo server is called in turns: plainly; by the governed path with rules, rates and redaction; and by the product as
it is put together, whose ledger and audit are durable. What the ledger takes of that is shown by itself.
"""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from benchmarks.gateway import ECHO
from benchmarks.measured import Measured, show
from config.checkout import CHECKOUT
from config.ids import new_id
from config.redaction import Redactor
from config.settings import Settings, load_settings
from mcp_config.guards import Guards
from mcp_config.registry import ToolRegistry, open_registry
from mcp_config.tools import Caller, Ledger, ToolCall, ToolResult, Unwritten
from server.application import Application
from server.composition import open_application
from server.configuration import load_configuration

MOST_CPU_MS: Final = 1.0
ROUND: Final = 20
TOOL: Final = "echo__echo"
CALLER: Final = Caller("bench", role="admin")
SECRETS: Final = [f"s3cret/of-the-house+{number}" for number in range(10)]
POLICIES: Final = {
    "rules": [{"match": "*", "verdict": "allow"}],
    "tools": {"*": {"rate": "1000000/minute"}},
    "rates": {"users": {"*": "1000000/hour"}},
}


@dataclass(frozen=True)
class Houses:
    """Two registries over the same tool: one writes nothing down, and one is the product's."""

    path: ToolRegistry
    product: Application


@asynccontextmanager
async def open_houses(folder: Path) -> AsyncIterator[Houses]:
    settings = build_settings(folder)
    configuration = load_configuration(settings)
    guards = Guards(redactor=Redactor(SECRETS))
    async with (
        open_registry(configuration.servers, configuration.policies, lambda _: None, guards=guards) as path,
        open_application(settings) as product,
    ):
        for registry in (path, product.tools):
            await registry.ready([TOOL])
        yield Houses(path, product)


def build_settings(folder: Path) -> Settings:
    policies = folder / "policies.yaml"
    policies.write_text(yaml.safe_dump(POLICIES))
    echo = {"command": ECHO[0], "args": ECHO[1:], "cwd": str(CHECKOUT)}
    return load_settings(
        None,
        data_dir=folder,
        mcp_servers=json.dumps({"mcpServers": {"echo": echo}}),
        tool_policies_file=policies,
        default_model="none",
        openai_base_url="http://127.0.0.1:9/v1",
    )


def build_works(houses: Houses) -> Mapping[str, Callable[[], Awaitable[object]]]:
    connection, product = houses.path.connections[0], houses.product

    async def govern(registry: ToolRegistry, ledger: Ledger) -> None:
        result = await registry.call(build_call(), ledger)
        if result.status != "ok":
            raise RuntimeError(result.content)

    async def write_down() -> None:
        call = build_call()
        await product.ledger.started(call)
        await product.ledger.ended(call, ToolResult("ok", "hello"))

    return {
        "plain": lambda: connection.call("echo", {"text": "hello"}, 30),
        "path": lambda: govern(houses.path, Unwritten()),
        "product": lambda: govern(product.tools, product.ledger),
        "ledger": write_down,
    }


def build_call() -> ToolCall:
    return ToolCall(new_id("call"), TOOL, {"text": "hello"}, CALLER)


async def count_cpu(call: Callable[[], Awaitable[object]]) -> float:
    """Returns the milliseconds of one call, of all threads."""
    began = time.process_time()
    for _ in range(ROUND):
        await call()
    return (time.process_time() - began) * 1000 / ROUND


async def measure(calls: int) -> list[Measured]:
    with tempfile.TemporaryDirectory() as folder:
        async with open_houses(Path(folder)) as houses:
            works = build_works(houses)
            for work in works.values():
                await count_cpu(work)  # what is made at the first call
            spent: dict[str, list[float]] = {name: [] for name in works}
            for _ in range(calls // ROUND):
                for name, work in works.items():
                    spent[name].append(await count_cpu(work))
    middle = {name: statistics.median(each) for name, each in spent.items()}
    return [
        Measured("a call without government: CPU", middle["plain"], "ms"),
        Measured("rules, schema, rates, redaction add", middle["path"] - middle["plain"], "ms", MOST_CPU_MS),
        Measured("these and durable rows add (SQLite)", middle["product"] - middle["plain"], "ms"),
        Measured("the ledger's two rows alone", middle["ledger"], "ms"),
    ]


if __name__ == "__main__":
    sys.exit(show(asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 400))))
