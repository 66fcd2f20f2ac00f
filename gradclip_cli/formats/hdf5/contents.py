"""List the contents of a file as plain values; no link that leads out of the file is followed.

This module runs in the child process.
"""

import os
import sys
from typing import Any

import h5py
from h5py import h5a, h5d, h5g, h5l, h5o, h5s, h5t

from gradclip_cli.errors import InputError
from gradclip_cli.formats.hdf5.library import name_of, reading
from gradclip_cli.formats.hdf5.walker import Contents, Dataset
from gradclip_cli.numerics import dtypes
from gradclip_cli.numerics.dtypes import DType

_MOST_NAMES = 50_000_000
"""The most characters in all names of a file together: the paths of nested groups could fill any memory."""
_FLOATS = {  # size, (sign bit, first exponent bit, exponent bits, first mantissa bit, mantissa bits), bias
    (2, (15, 10, 5, 0, 10), 15): dtypes.FLOAT16,
    (2, (15, 7, 8, 0, 7), 127): dtypes.BFLOAT16,
    (4, (31, 23, 8, 0, 23), 127): dtypes.FLOAT32,
    (8, (63, 52, 11, 0, 52), 1023): dtypes.FLOAT64,
}
_COMPLEX = getattr(h5t, "COMPLEX", None)  # a class of its own since HDF5 2.0
_LONGEST_TEXT = 1000
_ORDERS = (h5t.ORDER_LE, h5t.ORDER_BE)
_NATIVE = h5t.ORDER_LE if sys.byteorder == "little" else h5t.ORDER_BE


class Walk:
    """Walk the hard links of a file without recursion, visit each object once, and refuse links to other files."""

    def __init__(self, void_dtype: str | None) -> None:
        self.found = Contents([], [], {}, [], [], [])
        self._void_dtype = void_dtype
        self._seen: dict[int, str] = {}  # names of objects by their addresses
        self._held = 0  # characters of names

    def over(self, file: Any) -> Contents:
        """List the contents of a file."""
        with reading():
            if h5a.get_num_attrs(file):
                self.found.attributed.append("/")
        stack: list[tuple[str, Any, bytes]] = [("", file, b"/")]  # groups are opened one at a time: each takes 10 kB
        while stack:
            prefix, parent, raw = stack.pop()
            names: list[bytes] = []
            with reading():
                group = h5o.open(parent, raw)
                group.links.iterate(names.append)
            inner = [raw for raw in names if self._follow(group, prefix, raw)]
            stack.extend((f"{prefix}{name_of(raw)}/", group, raw) for raw in reversed(inner))
        return self.found

    def _follow(self, group: Any, prefix: str, raw: bytes) -> bool:
        """Record the target of a link; return whether it is a group that was not visited before."""
        name = prefix + name_of(raw)
        self._held += len(name)
        if self._held > _MOST_NAMES:
            raise InputError(f"has names of more than {_MOST_NAMES:,} characters in all")
        if raw in (b"", b".") or b"/" in raw:
            raise InputError("has a name that no path leads to", tensor=name)
        with reading():
            link = group.links.get_info(raw)
        if link.type == h5l.TYPE_EXTERNAL:
            raise InputError("is a link to another file, which is not followed", tensor=name)
        if link.type not in (h5l.TYPE_HARD, h5l.TYPE_SOFT):
            raise InputError("is a link of a kind that is not known", tensor=name)
        if link.type == h5l.TYPE_SOFT or link.u in self._seen:
            with reading():
                soft = group.links.get_val(raw) if link.type == h5l.TYPE_SOFT else None
            self.found.aliases.append((name, self._seen[link.u] if soft is None else os.fsdecode(soft)))
            return False
        self._seen[link.u] = name
        with reading():
            thing = h5o.open(group, raw)
        return self._visit(thing, name)

    def _visit(self, thing: Any, name: str) -> bool:
        """Record an object; return whether it is a group."""
        with reading():
            if h5a.get_num_attrs(thing):
                self.found.attributed.append(name)
            label = attribute(thing, b"name") if isinstance(thing, h5g.GroupID) else None
        if isinstance(thing, h5g.GroupID):
            self.found.groups.append(name)
            if label:
                self.found.labels[name] = label
        elif isinstance(thing, h5d.DatasetID):
            with reading(tensor=name):
                self.found.datasets.append(described(thing, name, self._void_dtype))
        else:
            self.found.non_numeric.append(name)
        return isinstance(thing, h5g.GroupID)


def described(dataset: Any, name: str, void_dtype: str | None) -> Dataset:
    """Describe a dataset and how it is stored."""
    plan = dataset.get_create_plist()
    layout, storage = plan.get_layout(), dataset.get_storage_size()
    if layout == h5d.VIRTUAL or plan.get_external_count():
        return Dataset(name, problem="has its elements in other files, which are not opened")
    try:
        dtype = dtype_of(dataset, void_dtype)
    except UnknownTypeError as error:
        return Dataset(name, problem=str(error))
    if dtype.kind == "other" or dataset.get_space().get_simple_extent_type() == h5s.NULL:
        return Dataset(name)
    # If nothing was ever written, the offset is undefined, and h5py adds the size of the user block to it.
    offset = dataset.get_offset() if layout == h5d.CONTIGUOUS and storage else None
    chunk = plan.get_chunk() if layout == h5d.CHUNKED else None
    filters = tuple(plan.get_filter(k)[0] for k in range(plan.get_nfilters())) if chunk is not None else ()
    grows = dataset.get_space().get_simple_extent_dims(True)[:1] == (h5s.UNLIMITED,)
    return Dataset(name, dtype, tuple(dataset.shape), offset, storage, chunk, filters, grows=grows)


class UnknownTypeError(ValueError):
    """The elements of a dataset are numbers of a type that is not supported."""


def dtype_of(dataset: Any, void_dtype: str | None) -> DType:
    """Return the dtype of a dataset; raise UnknownTypeError with the reason if it is of numbers that are not supported."""
    kind = dataset.get_type()
    group, size = kind.get_class(), kind.get_size()
    swapped = group in (h5t.FLOAT, h5t.INTEGER) and size > 1 and kind.get_order() != _NATIVE
    if group == h5t.FLOAT:
        known = _FLOATS.get((size, kind.get_fields(), kind.get_ebias()))
        if known is None or kind.get_norm() != h5t.NORM_IMPLIED or kind.get_order() not in _ORDERS:
            raise UnknownTypeError(f"has floats of {size} bytes that are not of a known type")
        return dtypes.swapped(known) if swapped else known
    if group == h5t.INTEGER and size in (1, 2, 4, 8) and kind.get_precision() == 8 * size:
        return DType(f"{'int' if kind.get_sign() == h5t.SGN_2 else 'uint'}{8 * size}", size, "int", swapped)
    if group == h5t.OPAQUE and size == 2:
        if "bfloat16" not in (void_dtype, attribute(dataset, b"dtype")):
            raise UnknownTypeError("has 2-byte elements of no type; if they are bfloat16, give --void-dtype bfloat16")
        return dtypes.BFLOAT16
    if group in (h5t.ENUM, _COMPLEX) or (group == h5t.COMPOUND and kind.get_member_offset(0) == 0):
        return _from_numpy(kind, size)
    return DType("other", size, "other")


def _from_numpy(kind: Any, size: int) -> DType:
    """Return the dtype of an enum that h5py reads as bool, or of a compound that it reads as complex."""
    try:
        plain = dtypes.from_numpy(kind.dtype)
    except TypeError:  # h5py knows no numpy type for a member
        return DType("other", size, "other")
    return plain if plain.kind in ("bool", "complex") and plain.itemsize == size else DType("other", size, "other")


def attribute(thing: Any, name: bytes) -> str | None:
    """Return a text attribute of an object; None if there is none, or if it is too long."""
    if not h5a.exists(thing, name):
        return None
    value = h5a.open(thing, name)
    if value.get_space().get_simple_extent_type() != h5s.SCALAR:  # h5py cannot tell the size of an empty one
        return None
    if value.get_type().get_class() != h5t.STRING or value.get_storage_size() > _LONGEST_TEXT:
        return None
    owner = h5py.Group(thing) if isinstance(thing, h5g.GroupID) else h5py.Dataset(thing)
    text = h5py.AttributeManager(owner).get(name.decode())
    return text if isinstance(text, str) and len(text) <= _LONGEST_TEXT else None
