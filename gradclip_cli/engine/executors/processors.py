"""Count the processors that this process may use: those it is bound to, within the share that its cgroups grant it."""

import os
from collections.abc import Iterator
from contextlib import suppress

_MOUNT = "/sys/fs/cgroup"


def available(system: str = "") -> int:
    """Return how many processors this process may use, at least 1; `system` is put before the paths of Linux, for tests."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    shares = [_whole(share) for share in _shares(system)] if bound > 1 else []
    return min([bound, *shares])


def _whole(share: float) -> int:
    """Round a share of processor time up to whole processors: with half a processor, one thread works half of the time."""
    return max(1, -int(-share // 1))


def _shares(system: str) -> Iterator[float]:
    """Yield the limits of all cgroups that this process is in, in processors; a parent limits its children."""
    for kinds, path in _groups(system):
        if kinds and "cpu" not in kinds.split(","):
            continue
        mounts = [_MOUNT] if not kinds else [f"{_MOUNT}/{kinds}", f"{_MOUNT}/cpu"]
        for mount in mounts:
            parts = path.strip("/").split("/")
            for depth in range(len(parts), -1, -1):  # a container may see the end of the path at the top
                found = _share("/".join([system + mount, *parts[:depth]]), old=bool(kinds))
                if found is not None:
                    yield found


def _groups(system: str) -> Iterator[tuple[str, str]]:
    """Yield the controllers (none for version 2) and the path of each cgroup, from lines such as `4:cpu,cpuacct:/docker`."""
    for line in _text(f"{system}/proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        kinds, _, path = rest.partition(":")
        if path.startswith("/"):
            yield kinds, path


def _share(folder: str, old: bool) -> float | None:
    """Return the processor time that one cgroup grants, as a number of processors; None without a limit."""
    text = f"{_text(f'{folder}/cpu.cfs_quota_us')} {_text(f'{folder}/cpu.cfs_period_us')}" if old else ""
    words = (text or _text(f"{folder}/cpu.max")).split()
    with suppress(ValueError, ZeroDivisionError, IndexError):
        quota, period = int(words[0]), int(words[1])
        return quota / period if quota > 0 else None
    return None


def _text(path: str) -> str:
    """Return the text of a small file; nothing where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
