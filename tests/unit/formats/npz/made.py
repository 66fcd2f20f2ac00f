"""Arrays of every kind, and archives and headers of them."""

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.tensors import gradients

ARRAYS: dict[str, NDArray[Any]] = {
    "z": gradients(5),
    "a/b": gradients(24, "float64").reshape(2, 3, 4),
    "scalar": np.array(2.5, np.float32),
    "empty": np.zeros((3, 0), np.float32),
    "big": gradients(6).astype(">f4").reshape(2, 3),
    "turned": np.asfortranarray(gradients(12, "float16").reshape(3, 4)),
    "ids": np.arange(7),
    "mask": np.array([True, False]),
    "wide": np.zeros(40_000, np.float32),
}
savers = pytest.mark.parametrize("save", [np.savez, np.savez_compressed], ids=["stored", "deflated"])
Save = Callable[..., None]


def members(path: Path) -> dict[str, tuple[int, int, bytes]]:
    """Method, CRC and content of each member, as zipfile reads them."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {info.filename: (info.compress_type, info.CRC, archive.read(info)) for info in archive.infolist()}


def npy_bytes(
    array: NDArray[Any] | None = None, header: str | None = None, version: tuple[int, int] = (1, 0), data: bytes = b""
) -> bytes:
    """A .npy array as numpy writes it, or with a header by hand."""
    if array is not None:
        out = io.BytesIO()
        np.lib.format.write_array(out, array, version)
        return out.getvalue()
    text = (header or "").encode("latin-1")
    size = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + size + text + data


def fields(descr: str = "'<f4'", order: str = "False", shape: str = "(1,)") -> str:
    """A header's text."""
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}}}"
