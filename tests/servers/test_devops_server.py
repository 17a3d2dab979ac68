"""The devops server as a model meets it: this host's real numbers, logs of allowed folders, and what Docker and
Kubernetes say where their programs exist."""

import os
import re
import shutil
from pathlib import Path

import psutil
import pytest

from tests.servers.peer import open_peer

pytestmark = pytest.mark.slow
"""Each test starts processes of its own."""

HOST_TOOLS = ["disk_usage", "memory_usage", "cpu_usage", "list_processes", "list_logs", "tail_log"]
DOCKER_TOOLS = ["docker_ps", "docker_logs", "docker_inspect", "docker_images"]
KUBERNETES_TOOLS = ["kubectl_get", "kubectl_describe", "kubectl_logs"]
DESCRIBED = """\
Name: web
Containers:
  app:
    Image: web:1
    Environment:
      PASSWORD:  hunter2
      URL:       http://x
    Mounts: none
"""


def write_program(folder: Path, name: str, script: str) -> None:
    """Puts a program on the server's PATH that stands in for the real one."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A PATH of our own, with the few programs that scripts need."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "cat", "head", "sleep"):
        (folder / name).symlink_to(shutil.which(name) or name)
    return folder


@pytest.mark.exhaustive
async def test_the_host_tells_its_real_numbers(programs: Path) -> None:
    async with open_peer("devops", env={"PATH": str(programs)}) as peer:
        disks = await peer.ok("disk_usage")
        one = await peer.ok("disk_usage", path="/")
        memory = await peer.ok("memory_usage")
        cpu = await peer.ok("cpu_usage")
        nowhere = await peer.refusal("disk_usage", path="/no/such/place")

    total = psutil.disk_usage("/").total / 2**30
    assert disks.splitlines()[0] == one
    assert re.fullmatch(r"/: free [\d.]+ [KMGT]iB; used [\d.]+ [KMGT]iB \(\d+ %\); size ([\d.]+) [KMGT]iB", one)
    assert f"{total:.1f}" in one or total >= 1024
    assert f"of {psutil.virtual_memory().total / 2**30:.1f} GiB" in memory
    assert f"{psutil.cpu_count()} cores" in cpu
    assert nowhere == "there is no path '/no/such/place' on this host; leave it empty for all disks"


@pytest.mark.exhaustive
async def test_processes_are_listed_by_name_without_their_arguments(programs: Path) -> None:
    async with open_peer("devops", env={"PATH": str(programs)}) as peer:
        by_memory = (await peer.ok("list_processes", sort="memory", limit=2)).splitlines()
        everything = await peer.ok("list_processes", limit=1_000)
    assert by_memory[0] == "pid | name | cpu (of one core) | memory | user"
    assert len(by_memory) == 4
    assert re.fullmatch(r"… \d+ more processes", by_memory[-1])
    assert "mcp_config.servers.devops" not in everything


@pytest.mark.parametrize(
    ("names", "offered"),
    [
        ([], HOST_TOOLS),
        (["docker"], HOST_TOOLS + DOCKER_TOOLS),
        (["docker", "kubectl"], HOST_TOOLS + DOCKER_TOOLS + KUBERNETES_TOOLS),
    ],
)
async def test_docker_and_kubernetes_are_offered_only_where_their_programs_exist(
    names: list[str], offered: list[str], programs: Path
) -> None:
    for name in names:
        write_program(programs, name, "exit 0")
    async with open_peer("devops", env={"PATH": str(programs)}) as peer:
        tools = await peer.tools()
    assert [tool.name for tool in tools] == offered
    assert all(tool.annotations and tool.annotations.readOnlyHint for tool in tools)


async def test_the_last_lines_of_a_log_can_be_filtered_and_are_capped(tmp_path: Path, programs: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "app.log").write_text(
        "".join(f"{n} {'ERROR' if n % 10 == 0 else 'info'} {'x' * 60}\n" for n in range(1_000))
    )
    (logs / "old.log.gz").write_bytes(b"\x1f\x8b")
    (logs / "wtmp").write_bytes(b"\0\0")
    (logs / "empty.log").write_text("")
    async with open_peer("devops", env={"PATH": str(programs), "LOG_FOLDERS": str(logs)}) as peer:
        listed = await peer.ok("list_logs")
        tail = (await peer.ok("tail_log", path="logs/app.log", lines=2)).splitlines()
        errors = (await peer.ok("tail_log", path=str(logs / "app.log"), lines=2, contains="error")).splitlines()
        capped = await peer.ok("tail_log", path="logs/app.log", lines=10_000)
        empty = await peer.ok("tail_log", path="logs/empty.log")
        binary = await peer.refusal("tail_log", path="logs/wtmp")

    assert {line.split(" ")[0] for line in listed.splitlines()} == {"logs/app.log", "logs/wtmp", "logs/empty.log"}
    assert [line[:8] for line in tail] == ["… 998 ea", "998 info", "999 info"]
    assert [line.split(" x")[0] for line in errors] == ["… 98 earlier lines", "980 ERROR", "990 ERROR"]
    assert len(capped) < 4_200
    assert capped.endswith("x")
    assert empty == "No lines."
    assert binary == "'logs/wtmp' is not a text file"


OUTSIDE = ["logs/../secret.log", "/etc/passwd", "logs/link.log", "logs/pipe.log", "/proc/self/environ"]


async def test_no_log_outside_the_allowed_folders_is_read(tmp_path: Path, programs: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (tmp_path / "secret.log").write_text("hunter2")
    (logs / "link.log").symlink_to(tmp_path / "secret.log")
    os.mkfifo(logs / "pipe.log")
    async with open_peer("devops", env={"PATH": str(programs), "LOG_FOLDERS": str(logs)}) as peer:
        refusals = {path: await peer.refusal("tail_log", path=path) for path in OUTSIDE}
    assert refusals == {path: f"there is no readable file {path!r}; see `list_logs`" for path in OUTSIDE}


@pytest.mark.exhaustive
async def test_without_log_folders_the_setting_is_named(programs: Path) -> None:
    async with open_peer("devops", env={"PATH": str(programs)}) as peer:
        assert "LOG_FOLDERS" in await peer.refusal("list_logs")
        assert "LOG_FOLDERS" in await peer.refusal("tail_log", path="/var/log/syslog")


async def test_docker_gets_fixed_arguments_and_no_shell(programs: Path) -> None:
    write_program(programs, "docker", 'for word in "$@"; do echo "<$word>"; done')
    async with open_peer("devops", env={"PATH": str(programs)}) as peer:
        assert (await peer.ok("docker_ps", stopped=True)).startswith("<ps>\n<--all>\n<--format>")
        assert await peer.ok("docker_logs", container="web-1", lines=5) == "<logs>\n<--tail=5>\n<web-1>"
        for name in ("--help", "-v", "a;id", "$(id)", "a b", ""):
            assert await peer.refusal("docker_inspect", container=name) == f"{name!r} is not a name"


async def test_kubernetes_describes_without_environment_and_never_lists_secrets(programs: Path) -> None:
    write_program(programs, "kubectl", f"cat <<'END'\n{DESCRIBED}END")
    async with open_peer("devops", env={"PATH": str(programs)}) as peer:
        described = await peer.ok("kubectl_describe", kind="pods", name="web")
        await peer.refusal("kubectl_get", kind="secrets")
    assert "hunter2" not in described
    assert "Environment: (not shown)\n    Mounts: none" in described


async def test_a_program_that_fails_or_floods_is_told_and_capped(programs: Path) -> None:
    write_program(programs, "docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    write_program(programs, "kubectl", "head -c 9000000 /dev/zero")
    async with open_peer("devops", env={"PATH": str(programs)}) as peer:
        assert await peer.refusal("docker_ps") == "Cannot connect to the Docker daemon"
        assert len(await peer.ok("kubectl_get")) < 5_000


@pytest.mark.slow
async def test_a_program_that_hangs_is_ended_with_all_it_started(programs: Path, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    write_program(programs, "docker", f"sleep 600 & echo $! $$ > {pids}; sleep 600")
    async with open_peer("devops", env={"PATH": str(programs)}) as peer:
        assert await peer.refusal("docker_ps") == "docker did not answer within 10 seconds"
        assert "/: free " in await peer.ok("disk_usage")
    left = [pid for pid in map(int, pids.read_text().split()) if psutil.pid_exists(pid) and is_running(pid)]
    assert left == []


def is_running(pid: int) -> bool:
    return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
