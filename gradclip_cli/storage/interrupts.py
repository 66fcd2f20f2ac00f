"""Clean up before a signal ends the program. Imports nothing heavy, because it has to be installed first."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from gradclip_cli.text import one_line

cleanups: list[Callable[[], str | None]] = []
"""Functions to call before the program ends, the last one first: what stops others from writing comes before what removes files.

They run in a signal handler, so they must not raise, nor wait for long. What one returns is said: what an interrupted program has
left, which the user would not know.
"""


def install() -> None:
    """Handle SIGINT, SIGTERM and SIGHUP, except those that the parent process set to be ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


_calm: list[int] = []  # signals that end the program with exit code 0


def end_well(number: int = signal.SIGINT) -> None:
    """Have a signal end the program with exit code 0 from now on: what is shown goes on until the user ends it."""
    _calm.append(number)


_holding: list[str] = []  # one entry for each active `deferred` block: its note
_waiting: list[int] = []
_first = [0.0]  # when the first of those that wait has come
_ONE_PRESS = 1.0
"""Seconds after which a signal is a second wish of the user, and no echo of the first."""


@contextmanager
def deferred(note: str = "") -> Iterator[None]:
    """Defer signals until a short step that must not be left half done is complete; several threads may do so at once.

    One that others may make long has a `note`: the first signal says it, and a second one ends the program all the same.
    """
    _holding.append(note)
    try:
        yield
    finally:
        _holding.remove(note)
        if _waiting and not _holding:
            _end(_waiting.pop(0), None)


def _end(number: int, _: FrameType | None) -> None:
    """Run the cleanups, then end the process as if the signal had not been caught; only note the signal if deferred."""
    if _holding and not _is_insisted():
        _waiting.append(number)
        return
    said = [clean() for clean in cleanups[::-1]]  # a copy: other threads may change the list
    _say([line for line in said if line])
    if number in _calm:
        os._exit(0)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _is_insisted() -> bool:
    """Whether a signal comes a second time where that ends the program."""
    now, notes = time.monotonic(), list(filter(None, _holding))
    if _waiting:
        return bool(notes) and now - _first[0] >= _ONE_PRESS
    _first[0] = now
    _say(notes)
    return False


def _say(lines: list[str]) -> None:
    """Write each text as a line to standard error, where a terminal has just shown ^C."""
    with suppress(OSError):
        if lines and os.isatty(2):
            os.write(2, b"\n")
        for line in lines:
            os.write(2, f"note: {one_line(line)}\n".encode())
