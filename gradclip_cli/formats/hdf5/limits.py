"""Limit the processor time, the time on the clock and the memory that a child process may take for one request."""

import ctypes
import math
import os
import resource
import signal
import sys
import time
from contextlib import suppress
from functools import cache
from typing import NamedTuple

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
_SECONDS, _CLOCK = 5, 8
"""Seconds of processor time, and on the clock, for a file below a megabyte: a damaged one ends within ten seconds."""
_MORE_CLOCK = 6
"""Seconds on the clock for each further second of processor time: a machine may be busy, or a disk slow."""
_MOST_MORE = 595
"""The most seconds of processor time that the size of a file adds."""
_ORDINARY = 640 << 20
"""The most bytes that a request handles without `--allow-huge`: a chunk of 64 MB, counted ten times."""
_ROOM, _MOST_ROOM = 256 << 20, 8 << 30
"""Bytes of memory for the smallest file, and the most that the size of a file adds."""
_PAGE = resource.getpagesize()
_FROM_TERMINALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Limits(NamedTuple):
    """The most that one request may take: seconds of processor time and on the clock, bytes of memory beyond those in use."""

    seconds: int
    clock: int
    nbytes: int

    @classmethod
    def for_request(cls, file_size: int, nbytes: int) -> "Limits":
        """Return the limits of a request that handles `nbytes` bytes of elements from a file of `file_size` bytes.

        Processor time grows by a second for each megabyte of the file, and for every 32 MB that only `--allow-huge` reads.
        """
        more = min((file_size >> 20) + (max(0, nbytes - _ORDINARY) >> 25), _MOST_MORE)
        room = _ROOM + min(8 * file_size, _MOST_ROOM) + nbytes
        return cls(_SECONDS + more, _CLOCK + _MORE_CLOCK * more, room)


def settle(parent: int) -> None:
    """Make this process end with its parent and write no core file; leave signals from terminals to the parent.

    On Linux it ends with the thread that started it. `parent` is 0 if that thread may end before its process.
    """
    for number in _FROM_TERMINALS:
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGALRM, signal.SIGXCPU):
        signal.signal(number, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if parent and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before prctl was called
            os._exit(1)


def limit(limits: Limits) -> None:
    """Set the limits of one request: a signal ends a process that takes more time, and more memory is refused."""
    _lower(resource.RLIMIT_CPU, math.ceil(time.process_time() + limits.seconds))
    if mapped := _mapped():
        _lower(resource.RLIMIT_AS, mapped + limits.nbytes)
    signal.alarm(limits.clock)


def rest() -> None:
    """Stop the clock while the process waits for the next request."""
    signal.alarm(0)


def _lower(kind: int, soft: int) -> None:
    hard = _hard(kind)
    with suppress(ValueError, OSError):  # some systems know a limit but cannot set it
        resource.setrlimit(kind, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


@cache
def _hard(kind: int) -> int:
    """Return the limit that this process cannot raise; it never changes it either."""
    return resource.getrlimit(kind)[1]


def _mapped() -> int:
    """Return the size of this process's address space in bytes; 0 if the system does not tell."""
    fd = _statm()
    return 0 if fd is None else int(os.pread(fd, 64, 0).split()[0]) * _PAGE


@cache
def _statm() -> int | None:
    """Open the file that reports this process's memory, once, since each request reads it."""
    try:
        return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
