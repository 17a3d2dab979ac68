"""Whether this machine can run the engine: asked before anything is fetched or started."""

import importlib.util
import platform
import sys
from pathlib import Path
from typing import Final

_INSTEAD: Final = "set MODEL_PROVIDER to openai, azure or ollama instead"
_NEEDED_FLAGS: Final = frozenset({"avx2", "fma", "f16c"})
"""The engine's prebuilt library is compiled for these; without them it dies of an illegal instruction."""

WRONG_PROCESSOR: Final = (
    f"the embedded model needs a processor with AVX2, FMA and F16C, which this one lacks: {_INSTEAD}"
)


def find_obstacle(cpuinfo: Path = Path("/proc/cpuinfo")) -> str | None:
    """Returns why the embedded model cannot run here and what to do, or None."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return f"the embedded model runs on Linux on x86_64, not on {sys.platform} on {platform.machine()}: {_INSTEAD}"
    if importlib.util.find_spec("xllamacpp") is None:
        return f"the embedded model's engine is not installed: run `make install` again, or {_INSTEAD}"
    flags = _flags(cpuinfo)
    return WRONG_PROCESSOR if flags and not flags >= _NEEDED_FLAGS else None


def _flags(cpuinfo: Path) -> frozenset[str]:
    """What the processor can do; empty where the system does not tell."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    return next((frozenset(line.split(":", 1)[1].split()) for line in lines if line.startswith("flags")), frozenset())
