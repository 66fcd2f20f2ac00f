"""Numbers, and every way in which HDF5 stores them."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from support.tensors import gradients

PACKED: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "chunked": {"chunks": (3, 5)},
    "gzip": {"chunks": (4, 4), "compression": "gzip", "shuffle": True},
    "lzf": {"compression": "lzf", "fletcher32": True},
    "resizable": {"chunks": (4, 8), "maxshape": (None, 20)},
    "widening": {"chunks": (3, 5), "maxshape": (30, None), "compression": "gzip"},
}


def numbers(code: str = "f4") -> NDArray[Any]:
    """An array of 10 × 8 numbers."""
    return gradients(80, "float64").reshape(10, 8).astype(code)


MANY: dict[str, dict[str, Any]] = {
    "single": {"chunks": (6, 4), "compression": "gzip"},
    "shuffled": {"chunks": (6, 4), "compression": "gzip", "shuffle": True},
    "several": {"chunks": (4, 3), "compression": "gzip"},
    "plain": {"chunks": (6, 4)},
    "larger": {"chunks": (8, 5), "maxshape": (None, 9), "compression": "gzip"},
    "checked": {"chunks": (6, 4), "compression": "gzip", "fletcher32": True},
    "lzf": {"chunks": (6, 4), "compression": "lzf"},
    "widening": {"chunks": (6, 3), "maxshape": (6, None), "compression": "gzip"},
}
"""Ways in which small datasets of 6 × 4 elements are stored."""


def many(path: Path, names: list[str], **storage: Any) -> NDArray[Any]:
    """Write a small dataset under each name; return the elements of all of them, of shape (names, 6, 4)."""
    values = gradients(24 * len(names)).reshape(-1, 6, 4)
    with h5py.File(path, "w") as file:
        for name, one in zip(names, values, strict=True):
            file.create_dataset(name, data=one, **storage)
    return values.astype(np.float32)


def spoil(path: Path, name: str) -> None:
    """Damage the first chunk of a dataset."""
    with h5py.File(path) as file:
        chunk = file[name].id.get_chunk_info(0)
    data = bytearray(path.read_bytes())
    data[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\xff" * chunk.size
    path.write_bytes(data)
