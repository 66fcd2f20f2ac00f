"""Prepare the standard streams: writing to a closed one gives a clear error, and a failed message never ends a run."""

import errno
import io
import os
import select
import sys
from contextlib import suppress
from typing import TextIO

from gradclip_cli.storage import streams


def prepare_streams() -> None:
    """Open closed standard descriptors, so that no file of ours gets their numbers; escape text that cannot be encoded."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = _text(_Closed())
    if sys.stderr is None or sys.stderr is sys.__stderr__:
        sys.stderr = _text(_Unfailing(2, "w", closefd=False), sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def discard(number: int) -> None:
    """Redirect a descriptor to the null device, so that anything still written to it is dropped."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, number)
    os.close(null)


def sleep(seconds: float) -> None:
    """Wait; raise BrokenPipeError as soon as nobody reads standard output any more."""
    poll = select.poll()
    poll.register(1, 0)  # the other end is told without being asked for
    if poll.poll(seconds * 1000):
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


class _Closed(io.RawIOBase):
    """Stands in for a closed standard output: writing to it fails, as on a full disk, instead of losing text silently."""

    def writable(self) -> bool:
        """Accept text into the buffer; flushing it fails."""
        return True

    def write(self, data: object) -> int:
        """Raise OSError: there is nothing to write to."""
        raise OSError(errno.EBADF, "is closed; redirect it to a file or to /dev/null")


class _Unfailing(io.FileIO):
    """Standard error that never fails: messages may be lost, but the exit code depends on the work alone."""

    def write(self, data: object) -> int:
        """Write as much as can be written, and report all of it as written."""
        view = memoryview(data)  # type: ignore[arg-type]
        with suppress(OSError):
            streams.write(self.fileno(), bytes(view))
        return view.nbytes


def _text(raw: io.RawIOBase, like: TextIO | None = None) -> TextIO:
    encoding = like.encoding if like is not None else None
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding or "utf-8", line_buffering=True)
