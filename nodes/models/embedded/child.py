"""The engine's process: llama.cpp's own HTTP server on loopback. Run as `python -m nodes.models.embedded.child`.

Arguments: weights, context tokens, threads, the parent's process id. It prints its address once it listens, and ends
with its parent. Imports nothing of ours, so that it starts quickly and small.
"""

import ctypes
import os
import signal
import sys
import time
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_CACHE_MIB: Final = 512
"""Memory for prompts read before. With it the router's long prefix survives the chats between two plans (measured:
645 of 652 tokens), which a second slot does not better; the engine's own default is 8 GB."""
_QUIET: Final = 1


def main(weights: str, context_tokens: int, threads: int, parent: int) -> None:
    end_with(parent)
    import xllamacpp  # type: ignore[import-untyped]  # noqa: PLC0415  (only this process may die of a wrong processor)

    params = xllamacpp.CommonParams()
    params.model.path = weights
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = context_tokens
    params.n_parallel = 1
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.cache_ram_mib = _CACHE_MIB
    params.verbosity = _QUIET
    params.use_jinja = True
    params.ui = False
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)  # noqa: T201  (the parent reads this line)
    while True:
        time.sleep(3600)


def end_with(parent: int) -> None:
    """Has the kernel end us when the parent is gone, also by `kill -9`."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it went before we asked
        sys.exit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
