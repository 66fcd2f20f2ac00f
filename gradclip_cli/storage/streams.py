"""Use standard input and output, devices and FIFOs for dumps; streams are written to, never replaced."""

import errno
import os
import re
import select
import stat
import sys
from fcntl import F_GETFL, fcntl
from typing import IO

from gradclip_cli.errors import InputError, OutputError, UsageError, reason
from gradclip_cli.storage.locations import is_remote

STANDARD = "-"
"""Standard input as an input, standard output as an output; a file with this name is written `./-`."""

PIECE = 1 << 20

_NAMES = ("/dev/stdin", STANDARD, "/dev/stderr")
_OPEN = re.compile(r"/(?:dev|proc/self)/fd/(\d{1,9})")
"""Paths by which a system names the open descriptors of a process."""
_OF_THIS_PROCESS = "/dev/fd/", "/dev/std", "/proc/"


def stream_name(path: str, number: int) -> str:
    """Return `-` for any system path of standard input (`number` 0) or output (1); any other path unchanged.

    >>> stream_name("/dev/stdout", 1), stream_name("/dev/stdout", 0), stream_name("./-", 1)
    ('-', '/dev/stdout', './-')
    """
    names = (f"/dev/{('stdin', 'stdout')[number]}", f"/dev/fd/{number}", f"/proc/self/fd/{number}")
    return STANDARD if path in names else path


def descriptor(output: str) -> int | None:
    """Return the open descriptor that an output names; None for any other path.

    >>> descriptor("-"), descriptor("/dev/stderr"), descriptor("/dev/fd/63"), descriptor("out.npz")
    (1, 2, 63, None)
    """
    if output in _NAMES:
        return _NAMES.index(output)
    found = _OPEN.fullmatch(output)
    return int(found[1]) if found else None


def is_of_this_process(path: str) -> bool:
    """Whether a path is standard input, or may lead to another file, or to none, in another process.

    >>> is_of_this_process("-"), is_of_this_process("/dev/fd/63"), is_of_this_process("g.npz")
    (True, True, False)
    """
    return path == STANDARD or path.startswith(_OF_THIS_PROCESS)


def is_stream(output: str) -> bool:
    """Whether an output is an open descriptor (such as standard output), a device or a FIFO."""
    if descriptor(output) is not None:
        return True
    try:
        mode = os.stat(output).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode) or stat.S_ISFIFO(mode)


def check_open() -> None:
    """Raise InputError if standard input is closed."""
    if sys.__stdin__ is None:
        raise InputError("standard input is closed; pipe something into it, or name a file", path=STANDARD)


def check_input() -> None:
    """Raise if standard input is closed or a terminal; called before anything is read."""
    check_open()
    if os.isatty(0):
        raise UsageError("standard input is a terminal; pipe a dump into it, or name a file")


def check_output(output: str) -> None:
    """Raise if a stream is closed, cannot be written to or is a terminal; called before anything is read."""
    if output == STANDARD:
        if sys.__stdout__ is None:
            raise OutputError("is closed; redirect it to a file or to /dev/null", path="standard output")
        if os.isatty(1):
            raise UsageError("standard output is a terminal; send it into a pipe or a file, or give -o FILE")
    elif (given := descriptor(output)) is not None:
        _check_given(given, output)
    elif stat.S_ISCHR(os.stat(output).st_mode):
        try:
            fd = os.open(output, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError as error:
            raise OutputError(reason(error), path=output) from error
        terminal = os.isatty(fd)
        os.close(fd)
        if terminal:
            raise UsageError(f"{output} is a terminal; give a file for the output")


def _check_given(number: int, output: str) -> None:
    """Raise if an open descriptor is read-only or a terminal."""
    standard = (sys.__stdin__, sys.__stdout__, sys.__stderr__)
    try:
        if number < len(standard) and standard[number] is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))  # noqa: TRY301 (the same error as from fcntl for a closed descriptor)
        writable = fcntl(number, F_GETFL) & os.O_ACCMODE != os.O_RDONLY
    except OSError as error:
        raise OutputError("is closed; redirect it to a file or to /dev/null", path=output) from error
    if not writable:
        raise OutputError("is open for reading only; redirect it to a file", path=output)
    if os.isatty(number):
        raise UsageError(f"{output} is a terminal; give a file for the output")


def temporary() -> int:
    """Return the descriptor of a new unnamed file in TMPDIR; it is gone when the process ends, even if killed."""
    with temporary_file() as file:
        return os.dup(file.fileno())


def temporary_file(folder: str | None = None, in_memory: int = 0) -> IO[bytes]:
    """Return a new unnamed temporary file in `folder`, by default TMPDIR; it stays in memory up to `in_memory` bytes."""
    from tempfile import SpooledTemporaryFile, TemporaryFile  # importing them takes a tenth of the time of a small dump

    return SpooledTemporaryFile(in_memory, dir=folder) if in_memory else TemporaryFile(dir=folder)


def place(output: str) -> str:
    """End a message by where an output is kept until it is complete if that is not beside its target; else empty."""
    elsewhere = is_remote(output) or is_stream(output)
    return " in the directory for temporary files; name a roomier one in TMPDIR" if elsewhere else ""


def copy_to_stream(source: int, output: str) -> None:
    """Copy a complete file into a stream, at its current position. Raises OSError, or BrokenPipeError if its reader is gone."""
    given = descriptor(output)
    fd = given if given is not None else os.open(output, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        offset = 0
        while part := os.pread(source, PIECE, offset):
            write(fd, part)
            offset += len(part)
    finally:
        if given is None:
            os.close(fd)


def read(fd: int) -> bytes:
    """Return the next bytes of a stream, none at its end; wait for them even if the descriptor is non-blocking."""
    while True:
        try:
            return os.read(fd, PIECE)
        except BlockingIOError:
            select.select([fd], [], [])


def write(fd: int, data: bytes) -> None:
    """Write all of `data` to a stream; wait as `read` does."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            select.select([], [fd], [])
