"""Unpack what gzip has packed, to the last byte of what is cut short, which the standard library does not give."""

import io
import zlib
from typing import Any

_READ = 1 << 16
_GZIP = 31
"""The format of gzip, with its checksum."""


class Unpacked(io.RawIOBase):
    """The content of a file of gzip, of one member or several; `cut` says that it ends too early. Raises zlib.error."""

    def __init__(self, file: "io.BufferedReader[Any]") -> None:
        self._file, self._member, self._rest = file, zlib.decompressobj(_GZIP), b""
        self.cut = False

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, out: bytearray) -> int:  # type: ignore[override]
        """Fill `out` with the next bytes."""
        while not self.cut:
            if self._member.eof:
                if not self._at_member():
                    return 0
                self._member = zlib.decompressobj(_GZIP)
            data = self._member.decompress(self._rest, len(out))
            self._rest = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if data:
                out[: len(data)] = data
                return len(data)
            if not self._rest and not self._member.eof:
                self._rest = self._file.read(_READ)
                self.cut = not self._rest
        return 0

    def _at_member(self) -> bool:
        """Pass over zeros, with which tapes are filled up, to the next member; return whether there is one."""
        rest = self._rest.lstrip(b"\0")
        while not rest:
            data = self._file.read(_READ)
            if not data:
                break
            rest = data.lstrip(b"\0")
        self._rest = rest
        return bool(rest)
