"""Heaps of names and texts: from some that are damaged HDF5 never returns, so they are looked at before it is called.

Source: HDF5 File Format Specification 3.0, III.D (local heaps) and III.E (global heaps).
"""

import struct
from collections.abc import Iterator
from itertools import chain, islice

from gradclip_cli.errors import InputError
from gradclip_cli.formats.hdf5 import trees
from gradclip_cli.storage.random_access import InputFile

_LOCAL, _GLOBAL = b"HEAP\0\0\0\0", b"GCOL\x01\0\0\0"
_HEAD = 16
_LAST = 1  # stands in the place of an offset: there is no further free piece
_WIDTHS = {0: (13, 14), 1: (13, 14), 2: (9, 10), 3: (9, 10)}
"""Where the superblock, by its version, says how wide offsets and lengths are."""
_SEARCHED = 16 << 20
"""Heaps further into a file are not looked for: reading all of it would take too long."""


def check(file: InputFile, base: int) -> None:
    """Raise where a tree cannot be, or a heap has pieces without a length, or free ones in a circle.

    `base` is the size of the user block.
    """
    data = file.read(0, min(file.size, _SEARCHED))
    if not trees.are_sound(data):
        raise InputError("HDF5 cannot read it: an index is damaged", path=file.path)
    head = file.read(base, _HEAD)
    if len(head) < _HEAD or any(head[at] != 8 for at in _WIDTHS.get(head[8], ())):
        return
    pieces = chain(
        chain.from_iterable(_global_pieces(data, at) for at in _places(data, _GLOBAL)),
        chain.from_iterable(_local_pieces(file, data[at : at + 32], base) for at in _places(data, _LOCAL)),
    )
    # Heaps do not overlap, so that sound ones have no more pieces than there is room for.
    if not all(islice(pieces, len(data) // _HEAD)) or next(pieces, None) is not None:
        raise InputError("HDF5 cannot read it: a heap of names or texts is damaged", path=file.path)


def _places(data: bytes, sign: bytes) -> Iterator[int]:
    at = data.find(sign)
    while at >= 0:
        yield at
        at = data.find(sign, at + 1)


def _global_pieces(data: bytes, at: int) -> Iterator[bool]:
    """Go over the pieces of a heap, which follow each other to its end; yield whether each is sound."""
    end = at + int.from_bytes(data[at + 8 : at + _HEAD], "little")
    at += _HEAD
    while end <= len(data) and end - at >= _HEAD:
        size = int.from_bytes(data[at + 8 : at + _HEAD], "little")
        is_free = data[at : at + 2] == b"\0\0"
        taken = size if is_free else _HEAD + -(-size // 8) * 8
        yield 0 < taken <= end - at
        at += taken


def _local_pieces(file: InputFile, head: bytes, base: int) -> Iterator[bool]:
    """Go over the free pieces of a heap; yield whether each is a new one. What else is wrong HDF5 sees itself."""
    if len(head) < 32:
        return
    size, free, address = struct.unpack_from("<3Q", head, 8)
    seen = set[int]()
    while free != _LAST and free + _HEAD <= size <= file.size and address < file.size:
        yield free not in seen
        seen.add(free)
        free = int.from_bytes(file.read(base + address + free, 8), "little")
