"""The standard streams made fit to run with: what is closed says so when it is written to, and no message ends a run."""

import errno
import io
import os
import sys
from contextlib import suppress
from typing import TextIO

from gradclip_cli.storage import streams


def prepare_streams() -> None:
    """Open what is closed of the three standard descriptors, so that no file of ours takes its place; escape what cannot be shown."""
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
    """Let what is still written to a descriptor go nowhere."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, number)
    os.close(null)


class _Closed(io.RawIOBase):
    """Standard output where there is none: writing to it fails as on a full disk, rather than being lost without a word."""

    def writable(self) -> bool:
        """Let text be written, up to the moment when it would go out."""
        return True

    def write(self, data: object) -> int:
        """Raise OSError."""
        raise OSError(errno.EBADF, "is closed; redirect it to a file or to /dev/null")


class _Unfailing(io.FileIO):
    """Standard error: what is said there may be lost, but the exit code of a run depends on its work alone."""

    def write(self, data: object) -> int:
        """Write what can be written."""
        view = memoryview(data)  # type: ignore[arg-type]
        with suppress(OSError):
            streams.write(self.fileno(), bytes(view))
        return view.nbytes


def _text(raw: io.RawIOBase, like: TextIO | None = None) -> TextIO:
    encoding = like.encoding if like is not None else None
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding or "utf-8", line_buffering=True)
