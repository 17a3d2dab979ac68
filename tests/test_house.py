"""The rules of the house that no linter knows: each is here with its reason."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from config.checkout import CHECKOUT

PRODUCT = ("config", "mcp_config", "nodes", "graph", "server")
FOLDERS = {*PRODUCT, "tests", "benchmarks", "docs", "integrations", "notebooks", ".ci"}


def files() -> list[Path]:
    """The files that are, or would be, committed, relative to the checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    return sorted(Path(name) for name in listed.split("\0") if name and (CHECKOUT / name).is_file())


FILES = files()
MODULES = [path for path in FILES if path.suffix == ".py"]
OURS = [path for path in MODULES if path.parts[0] in PRODUCT]


def text_of(path: Path) -> str:
    return (CHECKOUT / path).read_text(encoding="utf-8", errors="replace")


def hits(pattern: str, paths: list[Path]) -> list[str]:
    """Where the pattern stands, as `file:line: text`."""
    found = re.compile(pattern)
    lines = ((path, number, line) for path in paths for number, line in enumerate(text_of(path).splitlines(), start=1))
    return [f"{path}:{number}: {line.strip()[:100]}" for path, number, line in lines if found.search(line)]


def test_no_file_is_longer_than_300_lines() -> None:
    """A file is one noun; when it fills up, it holds two."""
    assert {str(path): length for path in MODULES if (length := text_of(path).count("\n")) > 300} == {}


def test_the_top_level_is_the_house_and_nothing_else() -> None:
    assert {path.parts[0] for path in FILES if len(path.parts) > 1} <= FOLDERS


def test_no_name_says_nothing() -> None:
    """`utils` is where nouns are lost."""
    idle = re.compile(r"(^|_)(utils?|helpers?|managers?|handlers?|common|misc)(_|$)")
    assert [str(path) for path in FILES if any(idle.search(part.partition(".")[0]) for part in path.parts)] == []


def test_every_module_says_what_it_is_for() -> None:
    written = [path for path in OURS if text_of(path)]
    assert [str(path) for path in written if not ast.get_docstring(ast.parse(text_of(path)))] == []


def test_imports_are_absolute() -> None:
    def relative(path: Path) -> bool:
        nodes = ast.walk(ast.parse(text_of(path)))
        return any(isinstance(node, ast.ImportFrom) and node.level for node in nodes)

    assert [str(path) for path in MODULES if relative(path)] == []


def test_only_the_settings_read_the_environment() -> None:
    """MCP servers are programs of their own: theirs is what we hand them."""
    readers = [path for path in OURS if path.parts[:2] != ("mcp_config", "servers")]
    readers.remove(Path("config/settings.py"))
    assert hits(r"\bos\.(environ|getenv)|load_dotenv", readers) == []


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    """Each hides something."""
    assert hits(r"pytest\.(mark\.)?(skip|xfail)", [path for path in MODULES if path.name != "test_house.py"]) == []


def test_no_test_sleeps() -> None:
    """Tests wait for the condition; only what stands in for a slow world, in `tests/support`, may be slow."""
    tests = [path for path in MODULES if path.parts[0] == "tests" and path.parts[1] != "support"]
    assert hits(r"(time|asyncio)\.sleep\((?!0\))", tests) == []


def test_nothing_is_left_for_later() -> None:
    pattern = "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "NotImplemented" + "Error"))
    assert hits(rf"\b({pattern})\b", MODULES) == []


def test_no_path_of_one_machine_is_written_down() -> None:
    assert hits(r"(^|[^A-Za-z0-9_.])/(" + "work|farm|root" + r")/[A-Za-z]", FILES) == []


def test_no_package_index_is_written_down() -> None:
    """Everyone's own settings say where packages come from."""
    pattern = r"https?://[^ )\"]*(pypi|pythonhosted|npmjs|registry|artifactory|nexus|devpi)[^ )\"]*"
    assert hits(pattern, [path for path in FILES if path.suffix != ".md"]) == []
    foreign = {"uv.lock", "poetry.lock", "Pipfile.lock", "package-lock.json"}
    assert [str(path) for path in FILES if path.name in foreign] == []


def locked(name: str) -> dict[str, list[str]]:
    """The versions in a lock by package: usually one, more where markers tell Pythons or systems apart."""
    versions: dict[str, list[str]] = {}
    for line in text_of(Path(name)).splitlines():
        if not line.startswith(" "):
            package, _, pin = line.partition("==")
            versions.setdefault(package, []).append(pin.partition(" ")[0])
    return versions


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock", "tests/gateway/second_generation.lock"])
def test_a_lock_holds_names_versions_hashes_and_markers_only(lock: str) -> None:
    line = re.compile(r"[a-z0-9][a-z0-9-]*==[\w.+!-]+( ; [^\\]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")
    assert [text for text in text_of(Path(lock)).splitlines() if not line.fullmatch(text)] == []


def test_the_lock_of_npm_packages_holds_names_versions_and_hashes_only() -> None:
    line = re.compile(r"[@\w./-]+ \d[\w.-]* sha512-[A-Za-z0-9+/]{86}==")
    lock = text_of(Path("tests/gateway/conformance.lock")).splitlines()
    assert [text for text in lock if not line.fullmatch(text)] == []


def test_the_development_lock_holds_all_of_the_other_one() -> None:
    """So that whoever installed it may also run the product without another install."""
    development = locked("requirements-dev.lock")
    assert [name for name, versions in locked("requirements.lock").items() if development.get(name) != versions] == []


def test_the_locks_fit_what_is_asked_for() -> None:
    """After a change of pyproject.toml: make lock."""
    project = tomllib.loads(text_of(Path("pyproject.toml")))["project"]
    for lock, asked in (
        ("requirements.lock", project["dependencies"]),
        ("requirements-dev.lock", project["dependencies"] + project["optional-dependencies"]["dev"]),
    ):
        versions = locked(lock)
        assert [text for text in asked if not fits(Requirement(text), versions)] == []


def fits(asked: Requirement, locks: dict[str, list[str]]) -> bool:
    versions = locks.get(asked.name.lower().replace("_", "-"), [])
    return bool(versions) and all(asked.specifier.contains(version, prereleases=True) for version in versions)


def test_make_help_names_what_people_do() -> None:
    shown = subprocess.run(["make", "help"], cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout
    said = set(re.findall(r"^  make ([a-z-]+) +\S", shown, re.MULTILINE))
    assert {"run", "test", "check", "fix", "test-model", "eval", "lock", "clean", "help", "install"} <= said


def test_the_changelog_says_nothing_twice() -> None:
    """Merges leave both versions of an entry that was moved or changed."""
    openings = [line[:40] for line in text_of(Path("CHANGELOG.md")).splitlines() if line.startswith("- ")]
    assert [opening for opening in dict.fromkeys(openings) if openings.count(opening) > 1] == []
