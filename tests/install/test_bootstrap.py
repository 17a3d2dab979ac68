"""The first start on a bare machine: what is installed, when, and what a person is told when it cannot be."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from config.checkout import CHECKOUT

OLD = "import sys; sys.version_info = (3, 9, 2, 'final', 0)"
WITHOUT_VENV = "import sys; sys.modules['ensurepip'] = None"
PYTHONS = ("python3.14", "python3.13", "python3.12", "python3.11", "python3")


class BareMachine:
    """A checkout with a lock of one small package, and a PATH and environment of its own."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "checkout"
        self.bin = folder / "bin"
        self.wheels = folder / "wheels"
        for made in (self.checkout, self.bin, self.wheels):
            made.mkdir(parents=True)
        for name in ("bootstrap.sh", "open-agent", "Makefile"):
            shutil.copy2(CHECKOUT / name, self.checkout)
        for name in PYTHONS:
            self.put(name, f'exec {sys.executable} "$@"')
        self.lock("1.0")

    def put(self, program: str, script: str) -> None:
        """Puts a program before those of the system."""
        file = self.bin / program
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def bend_pythons(self, prelude: str) -> None:
        """Makes every Python of this machine one that runs `prelude` first."""
        for name in PYTHONS:
            self.put(name, f'exec {sys.executable} -c "{prelude}; exec(sys.argv[1])" "$2"')

    def lock(self, version: str, digest: str | None = None) -> None:
        wheel = self._build_wheel(version)
        digest = digest or hashlib.sha256(wheel.read_bytes()).hexdigest()
        for name in ("requirements.lock", "requirements-dev.lock"):
            (self.checkout / name).write_text(f"tiny=={version} \\\n    --hash=sha256:{digest}\n")

    def _build_wheel(self, version: str) -> Path:
        metadata = f"tiny-{version}.dist-info"
        contents = {
            "tiny.py": f"version = '{version}'\n",
            f"{metadata}/METADATA": f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n",
            f"{metadata}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{metadata}/RECORD": "",
        }
        wheel = self.wheels / f"tiny-{version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, text in contents.items():
                archive.writestr(zipfile.ZipInfo(name), text)  # without the time, so that its hash is always the same
        return wheel

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        env = self._environment(environment)
        return subprocess.run(
            command, check=False, cwd=self.checkout, env=env, capture_output=True, text=True, timeout=150
        )

    def _environment(self, given: Mapping[str, str]) -> dict[str, str]:
        return {
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "HOME": str(self.checkout.parent),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            **given,
        }

    def installed(self) -> str:
        """The version of the package that the installed Python imports."""
        code = "import tiny; print(tiny.version)"
        return self.run(str(self.checkout / ".venv" / "bin" / "python"), "-c", code).stdout.strip()


@pytest.fixture
def machine(tmp_path: Path) -> BareMachine:
    return BareMachine(tmp_path)


def told(result: subprocess.CompletedProcess[str]) -> str:
    """The one line that a person is told when it fails."""
    assert result.returncode != 0
    lines = [line for line in result.stderr.splitlines() if not line.startswith("make: ***")]
    assert len(lines) == 1, result.stderr
    return lines[0]


def test_an_old_python_is_told_what_is_needed(machine: BareMachine) -> None:
    machine.bend_pythons(OLD)
    line = told(machine.run("make", "install"))
    assert line.startswith("Python 3.11 or newer is needed; python3.14 is 3.9.")
    assert line.endswith("name one: make PYTHON=/path/to/python3.12")


def test_a_missing_venv_module_is_told_with_the_package_to_install(machine: BareMachine) -> None:
    machine.bend_pythons(WITHOUT_VENV)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert told(machine.run("make", "install")) == (
        f"Python {version} lacks its venv module. Install it: sudo apt install python{version}-venv"
    )


def test_the_python_that_is_named_is_the_one_that_is_used(machine: BareMachine) -> None:
    machine.put("mine", f'exec {sys.executable} -c "{OLD}; exec(sys.argv[1])" "$2"')
    assert "; mine is 3.9." in told(machine.run("make", "install", "PYTHON=mine"))


def test_a_full_disk_is_told_before_anything_is_made(machine: BareMachine) -> None:
    machine.put("df", "printf 'h\\nd 9 9 2048 9%% /\\n'")
    line = told(machine.run("make", "install"))
    assert line.startswith("Not enough disk: 600 MB are needed in ")
    assert line.endswith(", 2 MB are free. Make room and start again.")
    assert not (machine.checkout / ".venv").exists()


def test_the_command_line_says_what_to_run_first(machine: BareMachine) -> None:
    line = told(machine.run(str(machine.checkout / "open-agent"), "serve"))
    assert line == f"open-agent is not installed yet: run make install in {machine.checkout} first."


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A machine on which the install went through; each test takes a copy."""
    machine = BareMachine(tmp_path_factory.mktemp("made") / "machine")
    result = machine.run("make", "install")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "Installing 1 locked packages into .venv (once, about a minute) …\n"
    assert machine.installed() == "1.0"
    return machine.checkout / ".venv"


@pytest.fixture
def second_start(machine: BareMachine, made: Path) -> BareMachine:
    shutil.copytree(made, machine.checkout / ".venv", symlinks=True)
    return machine


@pytest.mark.slow
class TestInstalled:
    @pytest.mark.exhaustive
    def test_a_second_start_needs_neither_network_nor_pip(self, second_start: BareMachine) -> None:
        shutil.rmtree(second_start.wheels)
        shutil.rmtree(second_start.bin)
        result = second_start.run("make", "install")
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")

    def test_a_changed_lock_is_installed(self, second_start: BareMachine) -> None:
        second_start.lock("2.0")
        assert second_start.run("make", "install").returncode == 0
        assert second_start.installed() == "2.0"

    @pytest.mark.exhaustive
    def test_the_development_install_serves_the_product_too(self, second_start: BareMachine) -> None:
        second_start.lock("2.0")
        assert second_start.run("make", "dev").returncode == 0
        shutil.rmtree(second_start.wheels)
        assert second_start.run("make", "install").returncode == 0
        assert second_start.installed() == "2.0"

    @pytest.mark.exhaustive
    def test_an_install_that_was_cut_short_is_done_again(self, second_start: BareMachine) -> None:
        venv = second_start.checkout / ".venv"
        (venv / ".installed-run").unlink()
        shutil.rmtree(next((venv / "lib").glob("python*/site-packages/pip")))
        assert second_start.run("make", "install").returncode == 0
        assert second_start.installed() == "1.0"

    def test_no_network_is_told_in_one_line(self, second_start: BareMachine) -> None:
        second_start.lock("2.0")
        nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_FIND_LINKS": "", "PIP_RETRIES": "1"}
        line = told(second_start.run("make", "install", **nowhere, PIP_NO_INDEX="0"))
        assert line == (
            "The packages could not be downloaded: connect to the network (or set a proxy, HTTPS_PROXY) and start "
            "again. See .venv/install.log"
        )
        assert second_start.run("make", "install").returncode == 0

    def test_a_package_that_is_not_the_locked_one_is_refused(self, second_start: BareMachine) -> None:
        second_start.lock("2.0", digest="0" * 64)
        line = told(second_start.run("make", "install"))
        assert line.startswith("A package is not the one that was locked (its hash differs)")
        assert second_start.installed() == "1.0"

    def test_a_setting_on_the_line_reaches_the_product(self, second_start: BareMachine) -> None:
        cli = second_start.checkout / "server"
        cli.mkdir()
        (cli / "cli.py").write_text("import os, sys; print(sys.argv[1:], os.environ['PORT'], os.getcwd())")
        result = second_start.run("make", "run", "PORT=9000")
        assert result.stdout == f"['serve'] 9000 {second_start.checkout}\n"
