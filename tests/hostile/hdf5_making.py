"""How HDF5 files are made: with h5py, and by changing bytes after it."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5p, h5s

from hostile.cases import Arrays, Collection

FILES = Collection(".h5")
W = np.array([3, -4], np.float32)
ONE: Arrays = {"w": W}
GRID = np.random.default_rng(5).standard_normal((37, 23)).astype(np.float32)

Fill = Callable[[h5py.File], Arrays | None]


def add(name: str, expected: str, reason: str, fill: Fill, **options: Any) -> None:
    """Add a file that a function fills; it returns what is in it."""

    def make(path: Path) -> Arrays | None:
        with h5py.File(path, "w", **options) as file:
            return fill(file)

    FILES.add(name, expected, reason, make)


def stored(array: Any, **storage: Any) -> Fill:
    """Fill a file with one dataset."""

    def fill(file: h5py.File) -> Arrays:
        file.create_dataset("w", data=array, **storage)
        return {"w": np.asarray(array)}

    return fill


def created(kind: Any, data: bytes, expected: Arrays | None = None, beside: bool = False) -> Fill:
    """Fill a file with one dataset of an HDF5 type, from raw bytes; `beside` puts an ordinary one next to it."""

    def fill(file: h5py.File) -> Arrays | None:
        space = h5s.create_simple((len(data) // kind.get_size(),))
        plan = h5p.create(h5p.DATASET_CREATE)
        plan.set_chunk((len(data) // kind.get_size(),))
        dataset = h5d.create(file.id, b"odd", kind, space, plan)
        dataset.write_direct_chunk((0,), data)
        if beside:
            file["w"] = W
        return expected

    return fill


def changed(kind: Any, **changes: Any) -> Any:
    """Copy a datatype and set some of its properties."""
    new = kind.copy()
    for name, value in changes.items():
        getattr(new, f"set_{name}")(*value if isinstance(value, tuple) else (value,))
    return new


def after(fill: Fill, change: Callable[[bytearray], None], **options: Any) -> Callable[[Path], None]:
    """A file that is damaged once it is written."""

    def make(path: Path) -> None:
        out = io.BytesIO()
        with h5py.File(out, "w", **options) as file:
            fill(file)
        data = bytearray(out.getvalue())
        change(data)
        path.write_bytes(data)

    return make


def at(signature: bytes, offset: int, new: bytes) -> Callable[[bytearray], None]:
    """Replace bytes at an offset from a signature."""

    def change(data: bytearray) -> None:
        start = bytes(data).index(signature) + offset
        data[start : start + len(new)] = new

    return change


def cut(keep: float) -> Callable[[bytearray], None]:
    """Keep the first bytes: a share, or a number."""

    def change(data: bytearray) -> None:
        del data[int(keep * len(data)) if keep < 1 else int(keep) :]

    return change
