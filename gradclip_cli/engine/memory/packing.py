"""Pack values into bytes that read back the same: JSON, and arrays in little-endian order after it. Nothing in them is code."""

import json
import struct
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DTYPES = {kind: (np.dtype(f"<{kind}8"), np.dtype(f"{kind}8")) for kind in "if"}
"""The dtypes of arrays as they are kept, and as they are used."""

_HEAD = struct.Struct("<QQ")

UNREADABLE = (ValueError, KeyError, IndexError, TypeError, struct.error, RecursionError)
"""What is raised for bytes that are not what `packed` returns."""


def packed(value: Any, arrays: Sequence[NDArray[Any]] = ()) -> bytes:
    """Pack a value that JSON can hold, and arrays of int64 or float64, of any shape."""
    kinds = [[array.dtype.kind, *array.shape] for array in arrays]
    text = json.dumps([value, kinds], separators=(",", ":")).encode()
    parts = [array.astype(f"<{array.dtype.kind}8", order="C").tobytes() for array in arrays]
    return b"".join([_HEAD.pack(len(text), sum(map(len, parts))), text, *parts])


def unpacked(data: bytes) -> tuple[Any, list[NDArray[Any]]]:
    """Return the value and the arrays; raise one of UNREADABLE for other bytes."""
    size, rest = _HEAD.unpack_from(data)
    at = _HEAD.size + size
    if len(data) != at + rest:
        raise ValueError("the lengths do not fit")
    value, kinds = json.loads(data[_HEAD.size : at])
    arrays = []
    for kind, *shape in kinds:
        stored, own = _DTYPES[kind]
        array = np.frombuffer(data, stored, prod(shape), at)
        arrays.append((array if stored == own else array.astype(own)).reshape(shape))
        at += array.nbytes
    return value, arrays


def first_of(data: bytes) -> tuple[bytes, bytes]:
    """Part bytes that `packed` returned from those that follow them."""
    end = _HEAD.size + sum(_HEAD.unpack_from(data))
    return data[:end], data[end:]
