"""Keep standard input in a temporary file, so that it can be read by position and more than once."""

import os
import stat
from functools import cache

from gradclip_cli.errors import InputError, reason
from gradclip_cli.storage import streams


class Spool:
    """The data of a descriptor, in an unnamed temporary file; a regular file at its beginning is used directly."""

    def __init__(self, source: int) -> None:
        self._source, self._ended = source, _is_whole_file(source)
        try:
            self.fd = os.dup(source) if self._ended else streams.temporary()
        except OSError as error:
            raise _unkept(error) from error
        self._fill(streams.PIECE)

    def complete(self) -> None:
        """Read the source to its end."""
        self._fill(None)

    def read_on(self, at: int, most: int) -> bytes:
        """Return the next bytes at position `at` of a reader that goes through the source once; what is new is not kept."""
        try:
            return os.pread(self.fd, most, at) or (b"" if self._ended else os.read(self._source, most))
        except OSError as error:
            raise InputError(reason(error), path=streams.STANDARD) from error

    def _fill(self, most: int | None) -> None:
        taken = 0
        while not self._ended and (most is None or taken < most):
            try:
                data = streams.read(self._source)
            except OSError as error:
                raise InputError(reason(error), path=streams.STANDARD) from error
            try:
                streams.write(self.fd, data)
            except OSError as error:
                raise _unkept(error) from error
            taken += len(data)
            self._ended = not data


@cache
def standard_input() -> Spool:
    """Return the one spool of standard input of this process: a pipe can be read only once."""
    return Spool(0)


def _is_whole_file(fd: int) -> bool:
    return stat.S_ISREG(os.fstat(fd).st_mode) and os.lseek(fd, 0, os.SEEK_CUR) == 0


def _unkept(error: OSError) -> InputError:
    return InputError(
        f"cannot be kept in a temporary file: {reason(error)}; name a roomier directory in TMPDIR",
        path=streams.STANDARD,
    )
