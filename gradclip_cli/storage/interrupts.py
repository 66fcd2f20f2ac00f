"""What is done before a signal ends the program; nothing heavy is imported here, since this has to stand first."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

cleanups: list[Callable[[], None]] = []
"""What leaves things in order; called from a signal handler, so it must neither wait nor raise."""


def install() -> None:
    """Handle the signals by which a person or a system ends a program, unless they are ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


_holding: list[None] = []  # one for each thread that must not be stopped now
_waiting: list[int] = []


@contextmanager
def deferred() -> Iterator[None]:
    """Let signals wait until something short is done that is not to be done by half; several threads may be at it."""
    _holding.append(None)
    try:
        yield
    finally:
        _holding.pop()
        if _waiting and not _holding:
            _end(_waiting.pop(0), None)


def _end(number: int, _: FrameType | None) -> None:
    """Clean up, and end as if the signal had not been caught."""
    if _holding:
        _waiting.append(number)
        return
    for clean in cleanups:
        clean()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
