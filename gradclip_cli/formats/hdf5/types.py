"""HDF5 datatypes, read with care: nothing but numbers of known kinds is taken for a tensor."""

import sys
from typing import Any

import h5py
from h5py import h5a, h5g, h5s, h5t

from gradclip_cli.numerics import dtypes
from gradclip_cli.numerics.dtypes import DType

_FLOATS = {  # size, (sign, exponent at, exponent bits, mantissa at, mantissa bits), bias
    (2, (15, 10, 5, 0, 10), 15): dtypes.FLOAT16,
    (2, (15, 7, 8, 0, 7), 127): dtypes.BFLOAT16,
    (4, (31, 23, 8, 0, 23), 127): dtypes.FLOAT32,
    (8, (63, 52, 11, 0, 52), 1023): dtypes.FLOAT64,
}
_COMPLEX = getattr(h5t, "COMPLEX", None)  # a class of its own since HDF5 2.0
_LONGEST_TEXT = 1000
_ORDERS = (h5t.ORDER_LE, h5t.ORDER_BE)
_NATIVE = h5t.ORDER_LE if sys.byteorder == "little" else h5t.ORDER_BE


def dtype_of(dataset: Any, void_dtype: str | None) -> DType:
    """Describe the elements of a dataset; raise ValueError with the reason where they are numbers that cannot be read."""
    kind = dataset.get_type()
    group, size = kind.get_class(), kind.get_size()
    swapped = group in (h5t.FLOAT, h5t.INTEGER) and size > 1 and kind.get_order() != _NATIVE
    if group == h5t.FLOAT:
        known = _FLOATS.get((size, kind.get_fields(), kind.get_ebias()))
        if known is None or kind.get_norm() != h5t.NORM_IMPLIED or kind.get_order() not in _ORDERS:
            raise ValueError(f"has floats of {size} bytes that are not of a known type")
        return dtypes.swapped(known) if swapped else known
    if group == h5t.INTEGER and size in (1, 2, 4, 8) and kind.get_precision() == 8 * size:
        return DType(f"{'int' if kind.get_sign() == h5t.SGN_2 else 'uint'}{8 * size}", size, "int", swapped)
    if group == h5t.OPAQUE and size == 2:
        if "bfloat16" not in (void_dtype, attribute(dataset, b"dtype")):
            raise ValueError("has 2-byte elements of no type; if they are bfloat16, give --void-dtype bfloat16")
        return dtypes.BFLOAT16
    if group in (h5t.ENUM, _COMPLEX) or (group == h5t.COMPOUND and kind.get_member_offset(0) == 0):
        plain = dtypes.from_numpy(kind.dtype)
        if plain.kind in ("bool", "complex") and plain.itemsize == size:
            return plain
    return DType("other", size, "other")


def attribute(thing: Any, name: bytes) -> str | None:
    """Return a short text attribute, where there is one."""
    if not h5a.exists(thing, name):
        return None
    value = h5a.open(thing, name)
    if value.get_space().get_simple_extent_type() != h5s.SCALAR:  # of nothing h5py cannot tell the size
        return None
    if value.get_type().get_class() != h5t.STRING or value.get_storage_size() > _LONGEST_TEXT:
        return None
    owner = h5py.Group(thing) if isinstance(thing, h5g.GroupID) else h5py.Dataset(thing)
    text = h5py.AttributeManager(owner).get(name.decode())
    return text if isinstance(text, str) and len(text) <= _LONGEST_TEXT else None
