"""Puts the prisoner into a sandbox, has it try every way out, and prints what came of it; exit code 1 if one was open.

`python -m tests.support.prison_visit KIND FOLDER`: a program of its own, so that it can be run as another user too.
`FOLDER/secret` is a file that the prisoner must not read, `FOLDER/granted` one it may.
"""

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

from config.ids import new_id
from config.policies import Rule, ToolPolicies
from mcp_config.entries.server_config import ServerConfig
from mcp_config.inventory import Deadlines
from mcp_config.registry import ToolRegistry, open_registry
from mcp_config.sandbox.grants import MEBIBYTE, Grants, Sandbox
from mcp_config.tools import Caller, ToolCall, Unwritten

PRISONER = Path(__file__).with_name("prisoner.py")
CANARY = "canary-in-the-parents-environment"
MARK = f"sleep-of-the-prisoner-{''.join(sys.argv[2:3])}"
"""Tells what this visit has left behind from what another one has."""

ENVIRONMENT = f"""
import glob
for path in glob.glob("/proc/*/environ"):
    try:
        if "{CANARY}" in open(path).read(): print("leaked", path)
    except OSError: pass
print("end")
"""
READ = "print(open({path!r}).read())"
WRITE = "open({path!r}, 'w').write('x'); print('written')"
TCP = "import socket; socket.create_connection(('127.0.0.1', {port}), 2); print('connected')"
UDP = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b'out', ('127.0.0.1', {port})); print('sent')
"""
UNIX = "import socket; socket.socket(socket.AF_UNIX).connect({path!r}); print('connected')"
FORKS = """
import os, signal
children = []
try:
    while len(children) < 2000:
        pid = os.fork()
        if pid == 0: signal.pause()
        children.append(pid)
except OSError: print("stopped")
else: signal.sigtimedwait([], 10)  # who counts them for the kernel looks once a second
print(len(children))
for pid in children: os.kill(pid, signal.SIGKILL)
for pid in children: os.waitpid(pid, 0)
"""
BIG_FILE = """
import os, tempfile, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = os.path.join(tempfile.gettempdir(), "big")
size = 0
try:
    with open(path, "wb", buffering=0) as file:
        while size < 10_000_000_000: size += file.write(bytes(4_000_000))
except OSError: print("stopped")
print(size); os.unlink(path)
"""
KILLS = """
import os, signal
parent = os.getppid()
for pid in (parent, -1, {victim}, -os.getpgid({victim}) if os.path.exists('/proc/{victim}') else {victim}):
    try: os.kill(pid, signal.SIGTERM if pid != -1 else 0); print('signalled', pid)
    except OSError as error: print(type(error).__name__)
"""
ESCAPE_GROUP = f"""
import os, sys
if os.fork() == 0:
    try: os.setsid()
    except OSError: pass
    code = "import signal; signal.pause() # {MARK}"
    if os.fork() == 0: os.execvp(sys.executable, [sys.executable, "-I", "-S", "-c", code])
    os._exit(0)
print("gone")
"""
MEDDLING = """
import ctypes, os, resource
parent, own = {parent}, {own!r}
attempts = (
    lambda: resource.prlimit(parent, resource.RLIMIT_CORE, (0, 0)),
    lambda: os.setpriority(os.PRIO_PROCESS, parent, 1),
    lambda: os.sched_setaffinity(parent, os.sched_getaffinity(0)),
    lambda: os.pidfd_open(parent),
    lambda: os.chmod(own, 0o600),
    lambda: os.utime(own),
    lambda: os.setxattr(own, 'user.x', b'x'),
    lambda: ctypes.CDLL(None).shmget({segment}, 4096, 0o1600) >= 0 or open('/nowhere'),
)
for number, attempt in enumerate(attempts):
    try: attempt(); print('done', number)
    except OSError: pass
print('end')
"""
KERNEL = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print(libc.unshare(0x10000000), libc.mount(b"none", b"/tmp", b"tmpfs", 0, None), libc.ptrace(16, 1, 0, 0))
"""
MEMORY = "print(len(bytearray(4 << 30)))"
FILL = """
import os, signal, tempfile
for number in range(100):
    with open(os.path.join(tempfile.gettempdir(), f"part{number}"), "wb") as file: file.write(os.urandom(1) * 8_000_000)
signal.sigtimedwait([], 40)
print("filled")
"""


class Visit:
    def __init__(self, registry: ToolRegistry) -> None:
        self._registry = registry

    async def run(self, code: str) -> str:
        call = ToolCall(new_id("call"), "prisoner__run", {"code": code}, Caller(owner="visitor"))
        return (await self._registry.call(call, Unwritten())).content.strip()


@contextlib.asynccontextmanager
async def visit(kind: Sandbox, folder: Path, *, network: bool) -> AsyncIterator[Visit]:
    grants = Grants(
        read=(str(PRISONER), str(folder / "granted")), network=network, memory=1024 * MEBIBYTE, file=32 * MEBIBYTE
    )
    command = (sys.executable, "-I", "-S", str(PRISONER))
    server = ServerConfig("prisoner", "stdio", command, {"OWN": "1"}, prefix="prisoner", sandbox=kind, grants=grants)
    policies = ToolPolicies(rules=[Rule(match="*", verdict="allow")])
    async with open_registry([server], policies, lambda _: None, Deadlines(60, 60)) as registry:
        await registry.ready(["*"])
        health = registry.health()["prisoner"]
        if (health.state, health.sandbox) != ("ready", kind):
            raise SystemExit(f"not in its sandbox: {health}")
        yield Visit(registry)


async def try_everything(kind: Sandbox, folder: Path) -> dict[str, str]:
    tcp, udp, unix = socket.create_server(("127.0.0.1", 0)), socket.socket(type=socket.SOCK_DGRAM), socket.socket(1)
    udp.bind(("127.0.0.1", 0))
    udp.setblocking(False)
    unix.bind(str(folder / "socket"))
    unix.listen()
    said: dict[str, str] = {}
    async with visit(kind, folder, network=False) as prisoner:
        codes = {
            "environment": ENVIRONMENT,
            "granted": READ.format(path=str(folder / "granted")),
            "secret": READ.format(path=str(folder / "secret")),
            "shadow": READ.format(path="/etc/shadow"),
            "write": WRITE.format(path=str(folder / "written")),
            "write_granted": WRITE.format(path=str(folder / "granted")),
            "write_root": WRITE.format(path="/written"),
            "write_shm": WRITE.format(path="/dev/shm/written"),
            "tcp": TCP.format(port=tcp.getsockname()[1]),
            "udp": UDP.format(port=udp.getsockname()[1]),
            "unix": UNIX.format(path=str(folder / "socket")),
            "forks": FORKS,
            "file": BIG_FILE,
            "kills": KILLS.format(victim=os.getpid()),
            "meddling": MEDDLING.format(parent=os.getpid(), segment=os.getpid(), own=str(_own_file(folder))),
            "kernel": KERNEL,
            "memory": MEMORY,
            "group": ESCAPE_GROUP,
            "alive": "print('alive')",
            "fill": FILL,
        }
        for name, code in codes.items():
            said[name] = await prisoner.run(code)
    async with visit(kind, folder, network=True) as prisoner:
        said["tcp_granted"] = await prisoner.run(TCP.format(port=tcp.getsockname()[1]))
    with contextlib.suppress(BlockingIOError):
        said["udp_received"] = udp.recv(10).decode()
    for each in (tcp, udp, unix):
        each.close()
    return said


def _own_file(folder: Path) -> Path:
    """Returns one that the prisoner's user may own."""
    file = folder / f"own-{os.geteuid()}"
    file.write_text("mine")
    return file


def find_escapes(said: dict[str, str], folder: Path) -> list[str]:
    """Returns what should not have been possible, and what should have been and was not."""
    expected = {"alive": "alive", "granted": "fine", "tcp_granted": "connected", "environment": "end"}
    expected |= {"meddling": "end"}
    expected |= {"kernel": "-1 -1 -1", "memory": "MemoryError"}
    escapes = [f"{name}: {said[name]}" for name, words in expected.items() if said[name] != words]
    refused = ("secret", "shadow", "write_granted", "write_root", "write_shm", "tcp", "udp", "unix")
    escapes += [f"{name}: {said[name]}" for name in refused if "Error" not in said[name]]
    bounded = {"forks": 100, "file": 64_000_000}
    escapes += [f"{name}: {said[name]}" for name, most in bounded.items() if not _was_bounded(said[name], most)]
    if "filled" in said["fill"] or "udp_received" in said or (folder / "written").exists():
        escapes.append("something came out, or stayed")
    return escapes


def _was_bounded(said: str, most: int) -> bool:
    """Either the kernel said no in time, or the server was ended for it."""
    words = said.split()
    return "SIGKILL" in said or (words[0] == "stopped" and int(words[1]) <= most)


if __name__ == "__main__":
    tried = asyncio.run(try_everything(cast(Sandbox, sys.argv[1]), Path(sys.argv[2])))
    print(json.dumps(tried, indent=2))
    if found := find_escapes(tried, Path(sys.argv[2])):
        sys.exit("\n".join(found))
