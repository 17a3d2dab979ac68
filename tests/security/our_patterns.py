"""Every pattern of ours: those that are compiled, wherever they are kept, and those that pydantic holds texts to."""

import ast
import importlib
import json
import pkgutil
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

import config
import graph
import mcp_config
import nodes
import server
from config.secret_patterns import Pattern

OPENAPI = Path(__file__).parent.parent.parent / "docs" / "openapi.json"
APPLIED = {"compile", "search", "match", "fullmatch", "sub", "split", "findall", "finditer"}


def compiled() -> dict[str, re.Pattern[str]]:
    """Returns those that Python's own engine applies: of modules and their tables, and those written where they are
    applied."""
    found: dict[str, re.Pattern[str]] = {}
    for module in modules():
        for name, value in vars(module).items():
            found |= {f"{module.__name__}.{name}{place}": each for place, each in walk(value)}
        for text in written(module, lambda call: call.args[:1] if is_applied(call) else []):
            found[f"{module.__name__}: {text}"] = re.compile(text)
    first = {pattern: name for name, pattern in reversed(found.items())}
    return {name: pattern for pattern, name in first.items()}


def validated() -> set[str]:
    """Returns those that pydantic's engine applies, to what comes in."""
    here = {text for module in modules() for text in written(module, keywords)}
    return here | set(of_schema(json.loads(OPENAPI.read_text())))


def modules() -> Iterator[ModuleType]:
    for package in (config, mcp_config, nodes, graph, server):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if "migrations" in module.name or module.name.endswith("__main__"):
                continue  # run by Alembic, run as programs
            yield importlib.import_module(module.name)


def walk(value: object) -> Iterator[tuple[str, re.Pattern[str]]]:
    match value:
        case re.Pattern() if isinstance(value.pattern, str):
            yield "", value
        case Pattern():
            yield ".head", re.compile(value.head)
            yield ".source", re.compile(value.source)
        case Mapping():
            for key, each in value.items():
                yield from ((f"[{key}]{place}", pattern) for place, pattern in walk(each))
        case tuple() | list():
            for place, each in enumerate(value):
                yield from ((f"[{place}]{further}", pattern) for further, pattern in walk(each))
        case _:
            pass


def written(module: ModuleType, texts_of: object) -> Iterator[str]:
    """Yields the texts that a module's code gives in these places: by themselves, or by the name of a constant."""
    assert callable(texts_of)
    for node in ast.walk(ast.parse(Path(module.__file__ or "").read_text())):
        for text in texts_of(node) if isinstance(node, ast.Call) else ():
            known = text.value if isinstance(text, ast.Constant) else vars(module).get(getattr(text, "id", ""))
            if isinstance(known, str):
                yield known


def is_applied(call: ast.Call) -> bool:
    function = call.func
    named = isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)
    return named and function.value.id == "re" and function.attr in APPLIED  # type: ignore[attr-defined]  # as named


def keywords(call: ast.Call) -> list[ast.expr]:
    return [keyword.value for keyword in call.keywords if keyword.arg == "pattern"]


def of_schema(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(pattern := node.get("pattern"), str):
            yield pattern
        node = [*node.values()]
    for each in node if isinstance(node, list) else ():
        yield from of_schema(each)
