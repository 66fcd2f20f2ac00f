"""HDF5 datatypes and links, read with care: nothing but numbers in this very file is taken for a tensor."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

# An unknown filter, or a file that cannot be opened, would make HDF5 load every library where plugins lie; this says,
# before h5py is there, that it may load none, and that they lie nowhere.
os.environ["HDF5_PLUGIN_PRELOAD"] = "::"
os.environ["HDF5_PLUGIN_PATH"] = ""

import h5py
from h5py import h5a, h5d, h5g, h5l, h5o, h5t
from h5py._objects import phil as lock

from gradclip_cli.arithmetic import dtypes
from gradclip_cli.arithmetic.dtypes import DType
from gradclip_cli.errors import InputError, OutputError

_FLOATS = {  # size, (sign, exponent at, exponent bits, mantissa at, mantissa bits), bias
    (2, (15, 10, 5, 0, 10), 15): dtypes.FLOAT16,
    (2, (15, 7, 8, 0, 7), 127): dtypes.BFLOAT16,
    (4, (31, 23, 8, 0, 23), 127): dtypes.FLOAT32,
    (8, (63, 52, 11, 0, 52), 1023): dtypes.FLOAT64,
}
_ORDERS = (h5t.ORDER_LE, h5t.ORDER_BE)
_NATIVE = h5t.ORDER_LE if sys.byteorder == "little" else h5t.ORDER_BE
_MOST_NAMES = 50_000_000
"""How many characters the names of a file may have together: groups in groups make paths that fill any memory."""

_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, AttributeError, MemoryError)


__all__ = ["Found", "dtype_of", "let_go", "lock", "mapped", "path_of", "walk", "written"]

# HDF5 is not made for threads. Not every call of h5py takes this lock of its own, so we take it around them.


@contextmanager
def mapped(path: str, tensor: str | None = None) -> Iterator[None]:
    """Turn h5py's errors into gradclip's."""
    try:
        yield
    except _ERRORS as error:
        reason = str(error) or type(error).__name__
        raise InputError(f"HDF5 cannot read it: {reason}", path=path, tensor=tensor) from error


@contextmanager
def written(path: str, tensor: str | None) -> Iterator[None]:
    """Turn h5py's errors into errors of the output."""
    try:
        with mapped(path, tensor):
            yield
    except InputError as error:
        raise OutputError(error.message.replace("read", "write", 1), path=path, tensor=tensor) from error


_stuck: list[Any] = []


def let_go(handle: Any) -> None:
    """Close a file; one that HDF5 fails to close is kept, since it would try again, and print a traceback, when it is freed."""
    try:
        with lock:
            handle.close()
    except _ERRORS:
        _stuck.append(handle)


@dataclass
class Found:
    """What a walk over a file came upon, by name: datasets (at the first name that leads there), their other names, groups' labels."""

    datasets: list[str] = field(default_factory=list)
    aliases: list[tuple[str, str]] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    attributed: list[str] = field(default_factory=list)


def walk(file: h5py.File, path: str) -> Found:
    """Follow the hard links of a file, each object once, without recursion; a link to another file is refused."""
    found = Found()
    if h5a.get_num_attrs(file.id):
        found.attributed.append("/")
    seen: dict[int, str] = {}
    held = 0
    stack: list[tuple[str, Any, bytes]] = [("", file.id, b"/")]  # groups are opened one at a time: each takes 10 kB
    while stack:
        prefix, parent, raw = stack.pop()
        group = h5o.open(parent, raw)
        names: list[bytes] = []
        group.links.iterate(names.append)
        inner: list[tuple[str, Any, bytes]] = []
        for raw in names:
            name = prefix + name_of(raw)
            held += len(name)
            if held > _MOST_NAMES:
                raise InputError(f"has names of more than {_MOST_NAMES:,} characters in all", path=path)
            if raw in (b"", b".") or b"/" in raw:
                raise InputError("has a name that no path leads to", path=path, tensor=name)
            link = group.links.get_info(raw)
            kind = link.type
            if kind == h5l.TYPE_SOFT:
                found.aliases.append((name, os.fsdecode(group.links.get_val(raw))))
            elif kind not in (h5l.TYPE_HARD, h5l.TYPE_EXTERNAL):
                raise InputError("is a link of a kind that is not known", path=path, tensor=name)
            elif kind == h5l.TYPE_EXTERNAL:
                raise InputError("is a link to another file, which is not followed", path=path, tensor=name)
            elif link.u in seen:
                found.aliases.append((name, seen[link.u]))
            else:
                seen[link.u] = name
                if _visit(h5o.open(group, raw), name, found):
                    inner.append((f"{name}/", group, raw))
        stack.extend(reversed(inner))
    return found


def _visit(thing: Any, name: str, found: Found) -> bool:
    """Take note of an object; return whether it is a group."""
    if h5a.get_num_attrs(thing):
        found.attributed.append(name)
    if isinstance(thing, h5g.GroupID):
        found.groups.append(name)
        if label := _attribute(thing, b"name"):
            found.labels[name] = label
    elif isinstance(thing, h5d.DatasetID):
        found.datasets.append(name)
    else:
        found.others.append(name)
    return isinstance(thing, h5g.GroupID)


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
        if "bfloat16" not in (void_dtype, _attribute(dataset, b"dtype")):
            raise ValueError("has 2-byte elements of no type; if they are bfloat16, give --void-dtype bfloat16")
        return dtypes.BFLOAT16
    if group == h5t.ENUM or (group == h5t.COMPOUND and kind.get_member_offset(0) == 0):
        plain = dtypes.from_numpy(kind.dtype)
        if plain.kind in ("bool", "complex") and plain.itemsize == size:
            return plain
    return DType("other", size, "other")


def _attribute(thing: Any, name: bytes) -> str | None:
    """Read a short text attribute, where there is one."""
    if not h5a.exists(thing, name):
        return None
    attribute = h5a.open(thing, name)
    if attribute.get_type().get_class() != h5t.STRING or attribute.get_storage_size() > 1000 or attribute.shape != ():
        return None
    value = h5py.AttributeManager(h5py.Group(thing) if isinstance(thing, h5g.GroupID) else h5py.Dataset(thing)).get(
        name.decode()
    )
    return value if isinstance(value, str) else None


def name_of(raw: bytes) -> str:
    """Return the name of a link; bytes that are not UTF-8 become lone surrogates, as in Python's file names."""
    return raw.decode("utf-8", "surrogateescape")


def path_of(name: str) -> bytes:
    """Return the bytes of a name: the inverse of `name_of`."""
    return name.encode("utf-8", "surrogateescape")
