"""Headers of trees: from numbers in them that cannot be HDF5 takes gigabytes, or dies, so they are looked at before.

Source: HDF5 File Format Specification 3.0, III.A.2 (version 2 B-trees).
"""

import struct
from collections.abc import Iterator

_SIGN = b"BTHD\0"
_HEAD = struct.Struct("<4sBBIHH")  # signature, version, type, size of a node, size of a record, depth
_KINDS = range(12)
_MOST_NODE = 1 << 20
_MOST_DEPTH = 32
_LEAST_RECORDS = 3
"""How many records a node has room for, at the least, each with what leads to a node below."""
_POINTER, _FRAME = 24, 10  # bytes of what leads to a node below, and of what surrounds the records


def are_sound(data: bytes) -> bool:
    """Whether every tree that begins in `data` has nodes that its records fit into, and no more levels than can be."""
    for kind, node, record, depth in _heads(data):
        room = _FRAME + _LEAST_RECORDS * (record + _POINTER)
        if kind in _KINDS and not (record and room <= node <= _MOST_NODE and depth <= _MOST_DEPTH):
            return False
    return True


def _heads(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    at = data.find(_SIGN)
    while 0 <= at <= len(data) - _HEAD.size:
        yield _HEAD.unpack_from(data, at)[2:]
        at = data.find(_SIGN, at + 1)
