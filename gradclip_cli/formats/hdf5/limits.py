"""Limit what a child process may take for one request: processor time, memory and time on the clock."""

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
_CLOCK = 6
"""How many seconds on the clock a request may take for each of processor time: a machine may be busy, or a disk slow."""
_PAGE = resource.getpagesize()
_FROM_TERMINALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Limits(NamedTuple):
    """What one request may take: seconds of processor time, and bytes of memory beyond those in use."""

    seconds: int
    nbytes: int


def settle(parent: int) -> None:
    """Make this process end with its parent, and without a core file; leave signals from terminals to the parent.

    Linux means the very thread that started this process; 0 says that it may end earlier than its process.
    """
    for number in _FROM_TERMINALS:
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGALRM, signal.SIGXCPU):
        signal.signal(number, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if parent and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before this was said
            os._exit(1)


def limit(limits: Limits) -> None:
    """Allow one request so much; who takes more is ended by a signal, or gets no more memory."""
    _lower(resource.RLIMIT_CPU, math.ceil(time.process_time() + limits.seconds))
    if mapped := _mapped():
        _lower(resource.RLIMIT_AS, mapped + limits.nbytes)
    signal.alarm(_CLOCK * limits.seconds)


def rest() -> None:
    """Stop the clock: waiting for the next request takes no time of it."""
    signal.alarm(0)


def _lower(kind: int, soft: int) -> None:
    hard = resource.getrlimit(kind)[1]
    with suppress(ValueError, OSError):  # some systems know a limit but cannot set it
        resource.setrlimit(kind, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _mapped() -> int:
    """Return how many bytes of address space this process has; 0 where the system does not tell."""
    fd = _statm()
    return 0 if fd is None else int(os.pread(fd, 64, 0).split()[0]) * _PAGE


@cache
def _statm() -> int | None:
    """Open what tells of this process's memory, once: it is asked with each request."""
    try:
        return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
