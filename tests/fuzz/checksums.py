"""The checksums of HDF5's newer structures, found and made right again, so that damage gets past them.

Source: Bob Jenkins, lookup3.c, 2006, public domain, as the HDF5 file format specification uses it.
"""

import numpy as np
from numpy.typing import NDArray

_SIGNATURES = (
    b"\x89HDF", b"OHDR", b"OCHK", b"FRHP", b"FHDB", b"FHIB", b"FSHD", b"FSSE", b"BTHD", b"BTLF", b"BTIN",
    b"FAHD", b"FADB", b"EAHD", b"EAIB", b"EASB", b"EADB", b"SMTB", b"SMLI",
)  # fmt: skip
_LONGEST = 2100

Words = NDArray[np.uint32]
State = tuple[Words, Words, Words]
Sealed = tuple[int, int]
"""Where bytes begin and end, behind which their checksum stands."""


def sealed(data: bytes) -> list[Sealed]:
    """Find the structures of a sound file that have a checksum."""
    found = []
    for signature in _SIGNATURES:
        at = data.find(signature)
        while at >= 0:
            part = data[at : at + _LONGEST]
            sums = lookup3(part)
            ends = (n for n in range(8, len(part) - 3) if int.from_bytes(part[n : n + 4], "little") == sums[n])
            found += [(at, at + n) for n in ends]
            at = data.find(signature, at + 1)
    return found


def seal(data: bytearray, places: list[Sealed]) -> None:
    """Make the checksums right for what the structures hold now."""
    for start, end in places:
        data[end : end + 4] = int(lookup3(bytes(data[start:end]), whole=True)[-1]).to_bytes(4, "little")


def lookup3(data: bytes, *, whole: bool = False) -> Words:
    """Return the checksums of every beginning of `data`, by its length, or of the whole alone.

    >>> hex(lookup3(b"Four score and seven years ago")[-1])
    '0x17770551'
    >>> [hex(found) for found in lookup3(b"Four score and seven years ago", whole=True)]
    ['0x17770551']
    """
    lengths = np.arange(len(data) if whole else 0, len(data) + 1, dtype=np.uint32)
    a = b = c = lengths + np.uint32(0xDEADBEEF)
    blocks = np.maximum(lengths.astype(np.int64) - 1, 0) // 12
    result = c.copy()  # what nothing is added to is not mixed either
    for block in range(int(blocks[-1]) + 1):
        state = _added((a, b, c), data[12 * block : 12 * block + 12], lengths.astype(np.int64) - 12 * block)
        last = (blocks == block) & (lengths > 0)
        result[last] = _final(state)[last]
        a, b, c = _mixed(state)
    return result


def _added(state: State, part: bytes, left: NDArray[np.int64]) -> State:
    """Add the next twelve bytes, or as many of them as are left of each beginning."""
    raw = np.frombuffer(part.ljust(12, b"\0"), np.uint8)
    here = np.where(np.arange(12) < left[:, None], raw, 0).astype(np.uint8)
    words = here.view("<u4")
    return state[0] + words[:, 0], state[1] + words[:, 1], state[2] + words[:, 2]


def _turned(x: Words, by: int) -> Words:
    return (x << np.uint32(by)) | (x >> np.uint32(32 - by))


def _mixed(state: State) -> State:
    a, b, c = state
    for by in (4, 6, 8, 16, 19, 4):
        a, c = (a - c) ^ _turned(c, by), c + b
        a, b, c = b, c, a
    return a, b, c


def _final(state: State) -> Words:
    a, b, c = state
    for by in (14, 11, 25, 16, 4, 14, 24):
        c = (c ^ b) - _turned(b, by)
        a, b, c = b, c, a
    return b
