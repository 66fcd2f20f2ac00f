"""Time a process from outside, start-up included, and see how much memory it and all that it starts take."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from benchmarks.commands import environment

COUNTS_SHARED_PAGES_ONCE = Path("/proc/self/smaps_rollup").is_file()


class Run(NamedTuple):
    """Seconds on the clock, seconds of processors, and the most memory in MiB; requests to a server, and what they fetched."""

    seconds: float
    cpu_seconds: float
    peak_mib: float
    requests: int = 0
    fetched: int = 0


def timed(command: Sequence[str], watch: bool = False) -> Run:
    """Run a command, and look at its memory meanwhile if wanted; else that is of its largest process.

    To look costs a twentieth of one processor, and the seconds are right to hundredths then.
    """
    with tempfile.TemporaryFile() as errors:
        begin = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, env=environment())
        try:
            peak = _watched(child.pid) if watch and COUNTS_SHARED_PAGES_ONCE else 0.0
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:  # Ctrl-C: what runs may take minutes more
            child.kill()
            child.wait()
            raise
        seconds = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(_failure(command, child.returncode, errors))
    return Run(seconds, usage.ru_utime + usage.ru_stime, peak or usage.ru_maxrss / _MAXRSS_OF_A_MIB)


_MAXRSS_OF_A_MIB = 1 << 20 if sys.platform == "darwin" else 1 << 10


def _watched(pid: int) -> float:
    """Return the most memory of a process and its descendants, in MiB, when it has ended; it is not waited for."""
    peak, next_look = 0.0, 0.0
    while not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        begin = time.perf_counter()
        if begin >= next_look:
            peak = max(peak, memory(pid))
            now = time.perf_counter()
            next_look = now + 20 * (now - begin)  # a process stands still meanwhile, for tens of ms where it is large
        time.sleep(0.004)
    return peak


def memory(pid: int) -> float:
    """Return the MiB of a process and its descendants together, or what the largest of them had at its highest.

    The second is more where pages of libraries are shared with strangers, or where a peak fell between two looks.
    """
    family = list(_family(pid))
    shares = sum(_kib(one, "smaps_rollup", "Pss:") for one in family)
    return max(shares, *(_kib(one, "status", "VmHWM:") for one in family)) / 1024


def _family(pid: int) -> Iterator[int]:
    """Yield a process and all its descendants."""
    yield pid
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _text(file).split():
            yield from _family(int(child))


def _kib(pid: int, file: str, field: str) -> int:
    """Return a figure of a process; of a page that it shares with others, `Pss` counts its share."""
    for line in _text(Path(f"/proc/{pid}/{file}")).splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    return 0


def _text(file: Path) -> str:
    """Return what the kernel says, or nothing where the process has just ended."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""


def _failure(command: Sequence[str], code: int, errors: IO[Any]) -> str:
    errors.seek(0)
    return f"ended with {code}: {' '.join(command)}\n{errors.read().decode(errors='replace')}"
