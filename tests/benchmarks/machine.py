"""What the figures were measured on."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def facts(*more: str) -> dict[str, Any]:
    """Describe the machine and what runs on it, `more` libraries too, without a date; before measuring, which makes it busy."""
    return {
        "processor": _processor(),
        "processors": processors(),
        "processors_in_all": os.cpu_count() or 1,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "busy": os.getloadavg()[0] > 1.5 * processors(),
        "python": platform.python_version(),
        "libraries": {
            name: found for name in ("numpy", "h5py", "safetensors", "torch", *more) if (found := _version(name))
        },
    }


def _processor() -> str:
    """Return the name of the processor as the kernel has it, or its kind."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
