"""CRC-32 of bytes whose pieces were summed apart, in any order: zlib's `crc32_combine`, which Python does not show."""

from functools import cache

_POLYNOMIAL = 0xEDB88320


def combine(first: int, second: int, length: int) -> int:
    """Return the CRC of two runs of bytes from the CRC of each and the length of the second.

    >>> import zlib
    >>> combine(zlib.crc32(b"grad"), zlib.crc32(b"clip"), 4) == zlib.crc32(b"gradclip")
    True
    """
    power = 0
    while length:
        if length & 1:
            first = _times(_zeros(power), first)
        length >>= 1
        power += 1
    return first ^ second


def joined(pieces: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Return the CRC and the length of a run of bytes, from `(CRC, length)` of its pieces by where they start.

    The length is that of the pieces which follow each other without a gap.
    """
    crc = end = 0
    for start in sorted(pieces):
        if start != end:
            break
        part, length = pieces[start]
        crc, end = combine(crc, part, length), end + length
    return crc, end


@cache
def _zeros(power: int) -> tuple[int, ...]:
    """The matrix, over bits, that appends 2^power zero bytes."""
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
