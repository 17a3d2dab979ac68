"""What a sandboxed server may have of this machine. What is not named here it does not see."""

from dataclasses import dataclass
from typing import Final, Literal

Sandbox = Literal["auto", "bwrap", "landlock", "none"]
"""What is asked for; `auto` takes the best one that works here."""
Kind = Literal["bwrap", "landlock", "none"]
"""What is in force."""

MEBIBYTE: Final = 1024 * 1024


@dataclass(frozen=True)
class Grants:
    """Paths are absolute; one that is not there grants nothing."""

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    """Folders; made if they are not there."""
    hide: tuple[str, ...] = ()
    """What stays unseen inside granted folders: `.env`, say."""
    sockets: tuple[str, ...] = ()
    """Unix sockets of the host, such as Docker's: whoever has that one has the machine."""
    network: bool = False
    memory: int = 2048 * MEBIBYTE
    """Bytes of data one process may have."""
    processes: int = 64
    """How many processes and threads it may have at a time."""
    file: int = 64 * MEBIBYTE
    """Bytes of the largest file it may write, and of all it may put into its own temporary folder."""
