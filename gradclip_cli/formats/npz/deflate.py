"""Inflate and deflate members of an archive piece by piece, and combine the CRC-32 of pieces in any order.

Combining is zlib's `crc32_combine`, which Python does not offer.
"""

import zlib
from functools import cache
from typing import IO

import numpy as np

from gradclip_cli.errors import InputError
from gradclip_cli.formats.npz.archive import DEFLATED, Member
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.storage.base import RandomAccess

_PART = 1 << 18
_POLYNOMIAL = 0xEDB88320
"""The polynomial of CRC-32, with its bits reversed."""


def checksum(data: memoryview | bytes, value: int = 0) -> int:
    """Return the CRC-32 of `data`, continued from `value`."""
    return zlib.crc32(data, value)


class Inflater:
    """A deflated member that is read from start to end, `part` bytes at once; it inflates no more than it is asked for."""

    def __init__(self, file: RandomAccess, member: Member, part: int = _PART) -> None:
        self._file, self._member, self._part = file, member, part
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        self._packed = self._size = self._crc = 0

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes, or fewer at the end of the member."""
        parts = []
        while count and not self._stream.eof:
            source = self._stream.unconsumed_tail or self._more()
            try:
                part = self._stream.decompress(source, count)
            except zlib.error as error:
                raise self._damaged(str(error)) from error
            if not part and not source:
                raise self._damaged("it ends early")
            parts.append(part)
            count -= len(part)
        data = b"".join(parts)
        self._crc, self._size = zlib.crc32(data, self._crc), self._size + len(data)
        return data

    def skip(self, count: int) -> None:
        """Skip `count` bytes."""
        self.take(count)

    def read_into(self, out: Raw) -> None:
        """Fill `out` with the next bytes; raise InputError if the member ends before that."""
        for start in range(0, out.size, _PART):
            part = self.take(min(_PART, out.size - start))
            if len(part) < min(_PART, out.size - start):
                raise self._damaged("it ends early")
            out[start : start + len(part)] = np.frombuffer(part, np.uint8)

    def finish(self) -> None:
        """Raise InputError unless the member ends here, with the size and the CRC that the directory gives."""
        member = self._member
        if self.take(1) or not self._stream.eof or self._size != member.size:
            raise self._damaged("it does not have the size that the directory gives")
        if self._stream.unused_data or self._packed != member.packed or self._crc != member.crc:
            raise self._damaged("its CRC is wrong")

    def _more(self) -> bytes:
        count = min(self._part, self._member.packed - self._packed)
        data = self._file.read(self._member.offset + self._packed, count)
        self._packed += len(data)
        return data

    def _damaged(self, reason: str) -> InputError:
        return InputError(f"cannot be unpacked: {reason}", path=self._file.path, tensor=self._member.name)


def check(file: RandomAccess, member: Member) -> None:
    """Read a whole member; raise InputError unless it has the size and the CRC that the directory gives."""
    if member.method == DEFLATED:
        stream = Inflater(file, member)
        left = member.size
        while left and (part := stream.take(min(_PART, left))):
            left -= len(part)
        stream.finish()
        return
    value = 0
    for start in range(0, member.size, _PART):
        value = checksum(file.read(member.offset + start, min(_PART, member.size - start)), value)
    if value != member.crc:
        raise InputError("its CRC is wrong: the file is damaged", path=file.path, tensor=member.name)


class Deflater:
    """A member that is deflated into a temporary file until it can be appended to the archive."""

    def __init__(self, held: IO[bytes]) -> None:
        self._stream = zlib.compressobj(zlib.Z_DEFAULT_COMPRESSION, zlib.DEFLATED, -zlib.MAX_WBITS)
        self.spool = held
        self.crc = self.size = self.packed = 0

    def write(self, data: memoryview | bytes) -> None:
        """Deflate the next bytes."""
        self.crc, self.size = zlib.crc32(data, self.crc), self.size + len(data)
        self._keep(self._stream.compress(data))

    def finish(self) -> None:
        """Deflate what is left and rewind `spool`, which then holds the member."""
        self._keep(self._stream.flush())
        self.spool.seek(0)

    def _keep(self, packed: bytes) -> None:
        self.spool.write(packed)
        self.packed += len(packed)


def combine_crc(first: int, second: int, length: int) -> int:
    """Return the CRC of two consecutive runs of bytes from the CRC of each and the length of the second in bytes.

    >>> import zlib
    >>> combine_crc(zlib.crc32(b"grad"), zlib.crc32(b"clip"), 4) == zlib.crc32(b"gradclip")
    True
    """
    power = 0
    while length:
        if length & 1:
            first = _times(_zeros(power), first)
        length >>= 1
        power += 1
    return first ^ second


def crc_of_pieces(pieces: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Return the CRC and the length of a run of bytes from those of its pieces, `(CRC, length)` by offset.

    The run ends at the first gap between pieces.
    """
    crc = end = 0
    for start in sorted(pieces):
        if start != end:
            break
        part, length = pieces[start]
        crc, end = combine_crc(crc, part, length), end + length
    return crc, end


@cache
def _zeros(power: int) -> tuple[int, ...]:
    """Return the bit matrix that appends 2^power zero bytes to a CRC."""
    if power == 0:
        matrix: tuple[int, ...] = (_POLYNOMIAL, *(1 << k for k in range(31)))
        for _ in range(3):
            matrix = tuple(_times(matrix, row) for row in matrix)
        return matrix
    half = _zeros(power - 1)
    return tuple(_times(half, row) for row in half)


def _times(matrix: tuple[int, ...], vector: int) -> int:
    result = 0
    for row in matrix:
        if vector & 1:
            result ^= row
        vector >>= 1
    return result
