"""Heaps of names and texts: from some that are damaged HDF5 never returns, so they are looked at before it is called.

Source: HDF5 File Format Specification 3.0, III.D (local heaps) and III.E (global heaps).
"""

import struct
from collections.abc import Iterator

from gradclip_cli.errors import InputError
from gradclip_cli.files.positions import InputFile

_LOCAL, _GLOBAL = b"HEAP\0\0\0\0", b"GCOL\x01\0\0\0"
_HEAD = 16
_LAST = 1  # stands in the place of an offset: there is no further free piece
_WIDTHS = {0: (13, 14), 1: (13, 14), 2: (9, 10), 3: (9, 10)}
"""Where the superblock, by its version, says how wide offsets and lengths are."""
_SEARCHED = 16 << 20
"""Heaps further into a file are not looked for: reading all of it would take too long."""


def check(file: InputFile, base: int) -> None:
    """Raise where a heap has pieces without a length, or free ones in a circle; `base` is the size of the user block."""
    data = file.read(0, min(file.size, _SEARCHED))
    head = file.read(base, _HEAD)
    if len(head) < _HEAD or any(head[at] != 8 for at in _WIDTHS.get(head[8], ())):
        return
    found = [_is_global_sound(data, at) for at in _places(data, _GLOBAL)]
    found += [_is_local_sound(file, data[at : at + 32], base) for at in _places(data, _LOCAL)]
    if not all(found):
        raise InputError("HDF5 cannot read it: a heap of names or texts is damaged", path=file.path)


def _places(data: bytes, sign: bytes) -> Iterator[int]:
    at = data.find(sign)
    while at >= 0:
        yield at
        at = data.find(sign, at + 1)


def _is_global_sound(data: bytes, at: int) -> bool:
    """Whether the pieces of a heap follow each other to its end."""
    end = at + int.from_bytes(data[at + 8 : at + _HEAD], "little")
    at += _HEAD
    while end <= len(data) and end - at >= _HEAD:
        size = int.from_bytes(data[at + 8 : at + _HEAD], "little")
        is_free = data[at : at + 2] == b"\0\0"
        taken = size if is_free else _HEAD + -(-size // 8) * 8
        if not 0 < taken <= end - at:
            return False
        at += taken
    return True


def _is_local_sound(file: InputFile, head: bytes, base: int) -> bool:
    """Whether the free pieces of a heap come to an end; what else is wrong HDF5 sees itself."""
    if len(head) < 32:
        return True
    size, free, address = struct.unpack_from("<3Q", head, 8)
    seen = set[int]()
    while free != _LAST and free + _HEAD <= size <= file.size and address < file.size:
        if free in seen:
            return False
        seen.add(free)
        free = int.from_bytes(file.read(base + address + free, 8), "little")
    return True
