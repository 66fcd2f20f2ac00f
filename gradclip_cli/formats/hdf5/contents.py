"""List the contents of a file as plain values; no link that leads out of the file is followed.

This module runs in the child process.
"""

import os
import sys
from typing import Any

from h5py import h5a, h5d, h5g, h5l, h5o, h5s, h5t

from gradclip_cli.errors import InputError
from gradclip_cli.formats.hdf5.attributes import text_of, texts_of
from gradclip_cli.formats.hdf5.library import name_of, reading
from gradclip_cli.formats.hdf5.roles import Roles
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
_PARTS = ((b"real", b"imag"), (b"re", b"im"), (b"Re", b"Im"))
"""What MATLAB, Octave and others call the parts of complex numbers; h5py reads `r` and `i` itself."""
_COMPLEX = getattr(h5t, "COMPLEX", None)  # a class of its own since HDF5 2.0
_MOST_MEMBERS, _DEEPEST = 1000, 8
"""The most members of a compound type, and the most types inside each other, that are looked through."""
_ORDERS = (h5t.ORDER_LE, h5t.ORDER_BE)
_NATIVE = h5t.ORDER_LE if sys.byteorder == "little" else h5t.ORDER_BE


class Walk:
    """Walk the hard links of a file without recursion, visit each object once, and refuse links to other files."""

    def __init__(self, void_dtype: str | None) -> None:
        self.found = Contents([], [], {}, [], [], [], {})
        self._void_dtype = void_dtype
        self._roles = Roles()
        self._seen: dict[int, str] = {}  # names of objects by their addresses
        self._held = 0  # characters of names

    def over(self, file: Any) -> Contents:
        """List the contents of a file."""
        with reading():
            if attributed := bool(h5a.get_num_attrs(file)):
                self.found.attributed.append("/")
                self.found.metadata.update(texts_of(file))
            self._roles.see_group(file, "", attributed)
        stack: list[tuple[str, Any, bytes]] = [("", file, b"/")]  # groups are opened one at a time: each takes 10 kB
        while stack:
            prefix, parent, raw = stack.pop()
            names: list[bytes] = []
            with reading():
                group = h5o.open(parent, raw)
                group.links.iterate(names.append)
            inner = [raw for raw in names if self._follow(group, prefix, raw)]
            stack.extend((f"{prefix}{name_of(raw)}/", group, raw) for raw in reversed(inner))
        return self.found._replace(datasets=self._roles.with_coordinates(self.found.datasets))

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
            if attributed := bool(h5a.get_num_attrs(thing)):
                self.found.attributed.append(name)
            label = text_of(thing, b"name") if isinstance(thing, h5g.GroupID) else None
        if isinstance(thing, h5g.GroupID):
            self.found.groups.append(name)
            if label:
                self.found.labels[name] = label
            with reading():
                self._roles.see_group(thing, name, attributed)
        elif isinstance(thing, h5d.DatasetID):
            with reading(tensor=name):
                role = self._roles.of_dataset(thing, name, attributed)
                self.found.datasets.append(described(thing, name, self._void_dtype)._replace(role=role))
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
    space = dataset.get_space()
    if dtype.kind == "other" or space.get_simple_extent_type() == h5s.NULL:
        return Dataset(name, floats=dtype.kind == "other" and holds_floats(dataset.get_type()))
    # If nothing was ever written, the offset is undefined, and h5py adds the size of the user block to it.
    offset = dataset.get_offset() if layout == h5d.CONTIGUOUS and storage else None
    chunk = plan.get_chunk() if layout == h5d.CHUNKED else None
    filters = tuple(plan.get_filter(k)[0] for k in range(plan.get_nfilters())) if chunk is not None else ()
    grows = chunk is not None and space.get_simple_extent_dims(True)[0] == h5s.UNLIMITED
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
            raise UnknownTypeError(
                f"has floats of {size} bytes that are not of a known type; save them as float32, or give --exclude"
            )
        return dtypes.swapped(known) if swapped else known
    if group == h5t.INTEGER and size in (1, 2, 4, 8) and kind.get_precision() == 8 * size:
        return DType(f"{'int' if kind.get_sign() == h5t.SGN_2 else 'uint'}{8 * size}", size, "int", swapped)
    if group == h5t.OPAQUE and size == 2:
        if "bfloat16" not in (void_dtype, text_of(dataset, b"dtype")):
            raise UnknownTypeError("has 2-byte elements of no type; if they are bfloat16, give --void-dtype bfloat16")
        return dtypes.BFLOAT16
    if group == h5t.COMPOUND and (parts := _complex_of(kind, size)) is not None:
        return parts
    if group in (h5t.ENUM, _COMPLEX) or (group == h5t.COMPOUND and kind.get_member_offset(0) == 0):
        return _from_numpy(kind, size)
    return DType("other", size, "other")


def _complex_of(kind: Any, size: int) -> DType | None:
    """Return the complex dtype of a compound of two equal floats that are called after the parts of complex numbers."""
    if kind.get_nmembers() != 2 or (kind.get_member_name(0), kind.get_member_name(1)) not in _PARTS:
        return None
    real, imaginary = kind.get_member_type(0), kind.get_member_type(1)
    if real.get_class() != h5t.FLOAT or not real.equal(imaginary) or 2 * real.get_size() != size:
        return None
    known = _FLOATS.get((real.get_size(), real.get_fields(), real.get_ebias()))
    if known not in (dtypes.FLOAT32, dtypes.FLOAT64) or kind.get_member_offset(1) != real.get_size():
        return None
    found = dtypes.COMPLEX64 if known is dtypes.FLOAT32 else dtypes.COMPLEX128
    return found if real.get_order() == _NATIVE else dtypes.swapped(found)


def _from_numpy(kind: Any, size: int) -> DType:
    """Return the dtype of an enum that h5py reads as bool, or of a compound that it reads as complex."""
    try:
        plain = dtypes.from_numpy(kind.dtype)
    except TypeError:  # h5py knows no numpy type for a member
        return DType("other", size, "other")
    return plain if plain.kind in ("bool", "complex") and plain.itemsize == size else DType("other", size, "other")


def holds_floats(kind: Any, depth: int = 0) -> bool:
    """Return whether elements that are no numbers, such as records and lists, hold floats; what is too complicated may."""
    group = kind.get_class()
    if group in (h5t.FLOAT, _COMPLEX):
        return True
    if group not in (h5t.VLEN, h5t.ARRAY, h5t.COMPOUND):
        return False
    if depth == _DEEPEST or (group == h5t.COMPOUND and kind.get_nmembers() > _MOST_MEMBERS):
        return True
    if group != h5t.COMPOUND:
        return holds_floats(kind.get_super(), depth + 1)
    return any(holds_floats(kind.get_member_type(k), depth + 1) for k in range(kind.get_nmembers()))
