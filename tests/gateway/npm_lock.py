"""A lock of npm packages without addresses: names, versions and hashes, a line each. npm itself holds to it.

`python -m tests.gateway.npm_lock` writes the conformance suite's anew, with the newest of what it asks for.
"""

import asyncio
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.gateway.node import run_npm

CONFORMANCE: Final = Path(__file__).with_name("conformance.lock")
_SUITE: Final = {"@modelcontextprotocol/conformance": "0.1.16"}
_INSIDE: Final = "/node_modules/"
_NAME: Final = "locked"


def write_package(folder: Path, lock: str) -> None:
    """Makes the folder a package that depends on all that is locked, for `npm ci`."""
    pins = {path: (version, sha) for path, version, sha in map(str.split, lock.splitlines())}
    direct = {path: version for path, (version, _) in pins.items() if _INSIDE not in path}
    packages: dict[str, Any] = {"": {"name": _NAME, "dependencies": direct}}
    for path, (version, sha) in pins.items():
        packages[f"node_modules/{path}"] = {"version": version, "integrity": sha, "dependencies": {}}
    for path in pins.keys() - direct.keys():  # one that another has for itself: only that other asks for it
        owner, _, name = path.rpartition(_INSIDE)
        packages[f"node_modules/{owner}"]["dependencies"][name] = pins[path][0]
    _write(folder / "package.json", {"name": _NAME, "dependencies": direct})
    _write(folder / "package-lock.json", {"name": _NAME, "lockfileVersion": 3, "packages": packages})


def build_lock(packages: Mapping[str, Any]) -> str:
    """Returns the lock of what npm has resolved."""
    found = {path.removeprefix("node_modules/"): pin for path, pin in packages.items() if path}
    return "".join(f"{path} {pin['version']} {pin['integrity']}\n" for path, pin in sorted(found.items()))


def _write(path: Path, content: object) -> None:
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(json.dumps(content))
    new.replace(path)  # whole, for whoever reads it at this moment


async def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(folder / "package.json", {"name": _NAME, "dependencies": _SUITE})
        code, printed = await run_npm(folder, "install", "--package-lock-only", "--ignore-scripts")
        assert code == 0, printed
        CONFORMANCE.write_text(build_lock(json.loads((folder / "package-lock.json").read_text())["packages"]))


if __name__ == "__main__":
    asyncio.run(main())
