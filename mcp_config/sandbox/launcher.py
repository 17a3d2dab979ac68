"""Run inside or instead of bubblewrap, as a program of its own: binds itself, then becomes the server.

`launcher.py SPEC PROGRAM [ARGUMENT…]`, where SPEC is JSON. Standard library only, started with `-I -S`. It sets limits,
gives up root, then restricts itself by Landlock (files, TCP, signals) and seccomp (sockets, kernel interfaces):
https://docs.kernel.org/userspace-api/landlock.html, https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

import ctypes
import json
import os
import platform
import resource
import signal
import stat
import struct
import sys
from collections.abc import Iterable
from typing import Final, TypedDict


class Spec(TypedDict):
    files: int
    """Bytes of the largest file; -1 for no limit."""
    memory: int
    processes: int
    uid: int | None
    """Whom a root process becomes."""
    reads_all: bool
    """Whether it may then still read what only root may; only with `landlock`, which says what it may read."""
    parent: int
    """The process that must not be signalled; 0 where it cannot be seen."""
    families: list[int]
    """Address families of sockets that may be made."""
    metadata: bool
    """Whether it may change modes, owners, times and attributes of what its user owns: Landlock bounds none of them."""
    landlock: bool
    listed: list[str]
    """Folders whose entries' names may be seen, and no more: imports need that of the folder they start from."""
    read: list[str]
    write: list[str]


# Numbers of system calls, by machine. Each is refused: a server has no business with it, and some lead out.
_REFUSED: Final = {
    "x86_64": {
        "shmget": 29, "semget": 64, "msgget": 68,  # what these make outlives its maker
        "ptrace": 101, "syslog": 103, "pivot_root": 155, "chroot": 161, "acct": 163, "settimeofday": 164, "mount": 165,
        "umount2": 166, "swapon": 167, "swapoff": 168, "reboot": 169, "init_module": 175, "delete_module": 176,
        "kexec_load": 246, "add_key": 248, "request_key": 249, "keyctl": 250, "unshare": 272, "perf_event_open": 298,
        "open_by_handle_at": 304, "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311, "finit_module": 313,
        "kexec_file_load": 320, "bpf": 321, "userfaultfd": 323, "io_uring_setup": 425, "open_tree": 428,
        "move_mount": 429, "fsopen": 430, "fsmount": 432, "pidfd_getfd": 438, "mount_setattr": 442,
    },
    "aarch64": {
        "msgget": 186, "semget": 190, "shmget": 194,
        "umount2": 39, "mount": 40, "pivot_root": 41, "chroot": 51, "acct": 89, "unshare": 97, "kexec_load": 104,
        "init_module": 105, "delete_module": 106, "syslog": 116, "ptrace": 117, "reboot": 142, "settimeofday": 170,
        "add_key": 217, "request_key": 218, "keyctl": 219, "swapon": 224, "swapoff": 225, "perf_event_open": 241,
        "open_by_handle_at": 265, "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271, "finit_module": 273,
        "bpf": 280, "userfaultfd": 282, "kexec_file_load": 294, "io_uring_setup": 425, "open_tree": 428,
        "move_mount": 429, "fsopen": 430, "fsmount": 432, "pidfd_getfd": 438, "mount_setattr": 442,
    },
}  # fmt: skip
_ARCHITECTURES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SOCKET: Final = {"x86_64": 41, "aarch64": 198}
_KILL: Final = {"x86_64": 62, "aarch64": 129}
_LEAVE_GROUP: Final = {"x86_64": (109, 112), "aarch64": (154, 157)}
"""`setpgid` and `setsid`: without a namespace of processes the group is what everything is ended by."""
# What a process may do to others of its user; a namespace of processes would hide them.
_MEDDLING: Final = {
    "x86_64": {"setpriority": 141, "ioprio_set": 251, "migrate_pages": 256, "move_pages": 279, "kcmp": 312,
               "process_madvise": 440, "process_mrelease": 448},
    "aarch64": {"ioprio_set": 30, "setpriority": 140, "migrate_pages": 238, "move_pages": 239, "kcmp": 272,
                "process_madvise": 440, "process_mrelease": 448},
}  # fmt: skip
_OF_ITSELF: Final = {
    "x86_64": {"sched_setparam": 142, "sched_setscheduler": 144, "sched_setaffinity": 203, "prlimit64": 302,
               "sched_setattr": 314},
    "aarch64": {"sched_setparam": 118, "sched_setscheduler": 119, "sched_setaffinity": 122, "prlimit64": 261,
                "sched_setattr": 274},
}  # fmt: skip
"""Whose first argument, the process that is meant, has to be 0."""
_REACHING: Final = {
    "x86_64": {"rt_sigqueueinfo": 129, "tkill": 200, "tgkill": 234, "rt_tgsigqueueinfo": 297, "pidfd_open": 434},
    "aarch64": {"tkill": 130, "tgkill": 131, "rt_sigqueueinfo": 138, "rt_tgsigqueueinfo": 240, "pidfd_open": 434},
}
"""Whose first argument must not be the parent."""
_METADATA: Final = {
    "x86_64": {
        "chmod": 90, "chown": 92, "lchown": 94, "utime": 132, "setxattr": 188, "lsetxattr": 189, "removexattr": 197,
        "lremovexattr": 198, "utimes": 235, "fchownat": 260, "futimesat": 261, "fchmodat": 268, "utimensat": 280,
        "fchmodat2": 452, "setxattrat": 463, "removexattrat": 466, "file_setattr": 469,
    },
    "aarch64": {
        "setxattr": 5, "lsetxattr": 6, "removexattr": 14, "lremovexattr": 15, "fchmodat": 53, "fchownat": 54,
        "utimensat": 88, "fchmodat2": 452, "setxattrat": 463, "removexattrat": 466, "file_setattr": 469,
    },
}  # fmt: skip
_CLONE: Final = {"x86_64": 56, "aarch64": 220}
_CLONE3: Final = 435
_NEW_USER: Final = 0x10000000
_FIRST_X32_CALL: Final = 0x40000000

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _REFUSE, _UNKNOWN, _KILLED = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
_NR, _ARCH, _FIRST_ARGUMENT = 0, 4, 16

_FILE_RIGHTS: Final = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15  # execute, write, read, truncate, ioctl
_LISTING: Final = 1 << 3
_READING: Final = 1 << 0 | 1 << 2 | 1 << 3  # execute, read files, list folders
_RIGHTS_BY_VERSION: Final = ((1, (1 << 13) - 1), (2, 1 << 13), (3, 1 << 14), (5, 1 << 15))
_TCP: Final = 0b11
_SIGNALS_AND_ABSTRACT_SOCKETS: Final = 0b11
_DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/full")

_READ_ALL: Final = 1 << 2
"""CAP_DAC_READ_SEARCH."""
_THIS_PROCESS: Final = struct.pack("=Ii", 0x20080522, 0)
"""With the version of the structures, _LINUX_CAPABILITY_VERSION_3."""

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    spec: Spec = json.loads(sys.argv[1])
    _limit(spec)
    kept = _READ_ALL if spec["reads_all"] and spec["landlock"] else 0
    if kept:
        _make_inheritable(kept)  # before the bounding set is empty
    _drop_bounding_set()
    if spec["uid"] is not None:
        _prctl(8, 1 if kept else 0)  # PR_SET_KEEPCAPS
        os.setgroups([])
        os.setresgid(spec["uid"], spec["uid"], spec["uid"])
        os.setresuid(spec["uid"], spec["uid"], spec["uid"])
    _prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: it does not outlive whoever started it
    _prctl(38, 1)  # PR_SET_NO_NEW_PRIVS
    _drop_capabilities(kept)
    if spec["landlock"]:
        _restrict_files(spec)
    _filter_calls(spec)
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 (becoming the server is what this program is for)


def _limit(spec: Spec) -> None:
    limits = [(resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, 1024), (resource.RLIMIT_NPROC, spec["processes"])]
    limits += [(resource.RLIMIT_DATA, spec["memory"]), (resource.RLIMIT_FSIZE, spec["files"])]
    for which, most in limits:
        _, hard = resource.getrlimit(which)
        if most >= 0:
            least = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(which, (least, least))


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def _drop_bounding_set() -> None:
    """No program that is started later gets a capability back. Refused to whoever has none anyway."""
    for capability in range(64):
        _libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def _make_inheritable(kept: int) -> None:
    held = ctypes.create_string_buffer(24)
    if _libc.capget(_THIS_PROCESS, held):
        raise OSError(ctypes.get_errno(), "capget")
    effective, permitted, _, *high = struct.unpack("=6I", held.raw)
    _set_capabilities(effective, permitted, kept, *high)


def _drop_capabilities(kept: int) -> None:
    _set_capabilities(kept, kept, kept, 0, 0, 0)
    if kept and _libc.prctl(47, 2, kept.bit_length() - 1, 0, 0):  # PR_CAP_AMBIENT_RAISE: also after execve
        raise OSError(ctypes.get_errno(), "ambient capability")


def _set_capabilities(*words: int) -> None:
    if _libc.capset(_THIS_PROCESS, struct.pack("=6I", *words)):
        raise OSError(ctypes.get_errno(), "capset")


# --------------------------------------------------------------------------- files, TCP and signals: Landlock
def _restrict_files(spec: Spec) -> None:
    version = _libc.syscall(444, None, 0, 1)
    if version < 1:
        raise OSError(ctypes.get_errno(), "this kernel has no Landlock")
    rights = sum(bits for since, bits in _RIGHTS_BY_VERSION if version >= since)
    tcp = _TCP if version >= 4 else 0
    scopes = _SIGNALS_AND_ABSTRACT_SOCKETS if version >= 6 else 0
    attributes = struct.pack("=QQQ", rights, tcp if not _may_use_tcp(spec) else 0, scopes)
    ruleset = _call(444, attributes[: 24 if version >= 6 else 16 if version >= 4 else 8], None, 0)
    for path in spec["listed"]:
        _grant(ruleset, path, _LISTING & rights)
    for path in spec["read"]:
        _grant(ruleset, path, _READING & rights)
    for path in (*spec["write"], *_DEVICES):
        _grant(ruleset, path, rights)
    _grant(ruleset, "/dev/urandom", _READING & rights)
    _call(446, ruleset, 0)
    os.close(ruleset)


def _may_use_tcp(spec: Spec) -> bool:
    return 2 in spec["families"]


def _call(number: int, first: bytes | int, second: int | None, third: int = 0) -> int:
    length = len(first) if isinstance(first, bytes) else second
    result: int = _libc.syscall(number, first, length, third)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"system call {number}")
    return result


def _grant(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there grants nothing
    kept = rights if stat.S_ISDIR(os.fstat(place).st_mode) else rights & _FILE_RIGHTS
    rule = struct.pack("=Qi", kept, place)
    if _libc.syscall(445, ruleset, 1, rule, 0):
        raise OSError(ctypes.get_errno(), path)
    os.close(place)


# --------------------------------------------------------------------------- sockets and the kernel: seccomp
def _filter_calls(spec: Spec) -> None:
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        raise OSError(f"there is no sandbox for {machine} machines")
    steps = [_step(_LOAD, _ARCH), _step(_EQUAL, _ARCHITECTURES[machine], then=1), _step(_RETURN, _KILLED)]
    steps += [_step(_LOAD, _NR), _step(_AT_LEAST, _FIRST_X32_CALL, otherwise=1), _step(_RETURN, _REFUSE)]
    steps += _refuse(_REFUSED[machine].values())
    steps += _when(_CLONE3, [_step(_RETURN, _UNKNOWN)])  # its flags cannot be seen; `clone` is used in its place
    steps += _when(_CLONE[machine], _unless_argument(_ANY_BIT, [_NEW_USER]))
    steps += _when(_SOCKET[machine], _only_argument(spec["families"]))
    if parent := spec["parent"]:
        steps += _refuse((*_LEAVE_GROUP[machine], *_MEDDLING[machine].values()))
        for number in _OF_ITSELF[machine].values():
            steps += _when(number, _only_argument([0]))
        for number in _REACHING[machine].values():
            steps += _when(number, _unless_argument(_EQUAL, [parent]))
        steps += _when(_KILL[machine], _unless_argument(_EQUAL, [parent, -parent & 0xFFFFFFFF, 0xFFFFFFFF]))
    if not spec["metadata"]:
        steps += _refuse(_METADATA[machine].values())
    steps.append(_step(_RETURN, _ALLOW))
    code = ctypes.create_string_buffer(b"".join(steps))
    _prctl_filter(struct.pack("@HP", len(steps), ctypes.addressof(code)))


def _prctl_filter(program: bytes) -> None:
    if _libc.prctl(22, 2, program, 0, 0):  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
        raise OSError(ctypes.get_errno(), "seccomp")


def _refuse(numbers: Iterable[int]) -> list[bytes]:
    return [step for number in numbers for step in _when(number, [_step(_RETURN, _REFUSE)])]


def _when(number: int, block: list[bytes]) -> list[bytes]:
    return [_step(_EQUAL, number, otherwise=len(block)), *block]


def _unless_argument(test: int, operands: list[int]) -> list[bytes]:
    tests = [_step(test, operand, then=len(operands) - place) for place, operand in enumerate(operands)]
    return [_step(_LOAD, _FIRST_ARGUMENT), *tests, _step(_RETURN, _ALLOW), _step(_RETURN, _REFUSE)]


def _only_argument(operands: list[int]) -> list[bytes]:
    tests = [_step(_EQUAL, operand, then=len(operands) - place) for place, operand in enumerate(operands)]
    return [_step(_LOAD, _FIRST_ARGUMENT), *tests, _step(_RETURN, _REFUSE), _step(_RETURN, _ALLOW)]


def _step(code: int, operand: int, then: int = 0, otherwise: int = 0) -> bytes:
    """One instruction: where a test holds, `then` steps are passed over, else `otherwise`."""
    return struct.pack("=HBBI", code, then, otherwise, operand)


if __name__ == "__main__":
    main()
