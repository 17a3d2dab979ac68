"""The tools on this host: processor, memory, disks and processes."""

import os
import time
from pathlib import Path
from typing import Annotated, Final, Literal

import psutil
from pydantic import Field

from mcp_config.servers.readable import format_bytes, format_duration, join_cells
from mcp_config.servers.serving import RefusedError

_SAMPLE_SECONDS: Final = 0.5
_MAX_PROCESSES: Final = 30
# shown as mounts, but not places where files can be put
_IMAGES: Final = frozenset({"squashfs", "iso9660"})


def cpu_usage() -> str:
    """Shows how busy the CPU is: load, use in percent, cores, uptime."""
    used = psutil.cpu_percent(_SAMPLE_SECONDS)
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    cores = psutil.cpu_count() or 1
    uptime = format_duration(time.time() - psutil.boot_time())
    return f"CPU: {used:.0f} % used, {cores} cores\nLoad average (1, 5, 15 min): {load}\nUp for: {uptime}"


def memory_usage() -> str:
    """Shows how much memory (RAM) and swap is used and free."""
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    used = f"{format_bytes(memory.total - memory.available)} used ({memory.percent:.0f} %)"
    lines = [f"Memory: {format_bytes(memory.available)} available of {format_bytes(memory.total)}, {used}"]
    swapped = f"{format_bytes(swap.used)} used of {format_bytes(swap.total)} ({swap.percent:.0f} %)"
    return "\n".join([*lines, f"Swap: {swapped if swap.total else 'none'}"])


def disk_usage(
    path: Annotated[str, Field(description="Only the disk that holds this path; empty for all disks")] = "",
) -> str:
    """Shows how much disk space is left, used and in total."""
    try:
        return "\n".join(_describe_disk(mount) for mount in ([path] if path else _mounts()))
    except (OSError, ValueError):
        raise RefusedError(f"there is no path {path!r} on this host; leave it empty for all disks") from None


def list_processes(
    sort: Annotated[Literal["cpu", "memory"], Field(description="What to sort by")] = "cpu",
    limit: Annotated[int, Field(description="How many, at most 30")] = 10,
) -> str:
    """Lists the processes that use the most CPU or memory."""
    processes = list(psutil.process_iter())
    for process in processes:
        _sample(process)
    time.sleep(_SAMPLE_SECONDS)
    found = [row for row in map(_measure, processes) if row is not None]
    # names only: command lines may hold secrets
    found.sort(key=lambda row: row[2] if sort == "cpu" else row[3], reverse=True)
    shown = found[: min(max(limit, 1), _MAX_PROCESSES)]
    total = psutil.virtual_memory().total
    lines = [
        join_cells([str(pid), name, f"{cpu:.1f} %", f"{format_bytes(rss)} ({100 * rss / total:.1f} %)", user])
        for pid, name, cpu, rss, user in shown
    ]
    rest = [f"… {len(found) - len(shown)} more processes"] if len(found) > len(shown) else []
    return "\n".join(["pid | name | cpu (of one core) | memory | user", *lines, *rest])


def _mounts() -> list[str]:
    """Returns where disks are mounted: each once, the root always (in a container it is none of the host's disks)."""
    found = {Path("/").stat().st_dev: "/"}
    for partition in psutil.disk_partitions():
        if partition.fstype not in _IMAGES and Path(partition.mountpoint).is_dir():
            found.setdefault(Path(partition.mountpoint).stat().st_dev, partition.mountpoint)
    return list(found.values())


def _describe_disk(path: str) -> str:
    usage = psutil.disk_usage(path)
    free, total, used = (format_bytes(size) for size in (usage.free, usage.total, usage.used))
    # name before number: small models otherwise read off the wrong one
    return f"{path}: free {free}; used {used} ({usage.percent:.0f} %); size {total}"


def _sample(process: psutil.Process) -> None:
    """The first reading starts the measurement; the second one, later, is the use in between."""
    try:
        process.cpu_percent()
    except psutil.Error:
        return  # gone already


def _measure(process: psutil.Process) -> tuple[int, str, float, int, str] | None:
    try:
        with process.oneshot():
            return process.pid, process.name(), process.cpu_percent(), process.memory_info().rss, process.username()
    except psutil.Error:
        return None
