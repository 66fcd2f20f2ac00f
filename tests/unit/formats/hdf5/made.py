"""Numbers, and every way in which HDF5 stores them."""

from typing import Any

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
