"""Parse and write the header of a `.npy` array, which stands before the elements.

Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

import ast
import io
import math
import warnings
from typing import NamedTuple

import numpy as np

from gradclip_cli.numerics import dtypes
from gradclip_cli.numerics.dtypes import DType
from gradclip_cli.tensors import TensorSpec

MAX_HEADER = 10_000
"""numpy's own limit, in bytes; no more is inflated for a header, since an archive can inflate to any length."""

LONGEST = 12 + MAX_HEADER

MOST_DIMENSIONS = 64
"""numpy's own limit."""


class Header(NamedTuple):
    """A parsed header; `raw` holds its bytes, which a copy repeats."""

    raw: bytes
    dtype: DType
    shape: tuple[int, ...]
    fortran: bool

    @property
    def nbytes(self) -> int:
        """The size of the elements in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


def parse(data: bytes, void_dtype: str | None) -> Header:
    """Parse the header at the start of `data`; raise ValueError with the reason if it is wrong."""
    if data[:6] != b"\x93NUMPY":
        raise ValueError("is not a .npy array")
    version = tuple(data[6:8])
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError(f"is a .npy array of version {version}, which is not known")
    start = 10 if version == (1, 0) else 12
    length = int.from_bytes(data[8:start], "little")
    if length > MAX_HEADER:
        raise ValueError(f"has a .npy header of {length:,} bytes; at most {MAX_HEADER:,} are read")
    text = data[start : start + length]
    if len(text) < length or len(data) < start:
        raise ValueError("ends inside its .npy header")
    fields = _fields(text.decode("utf-8" if version == (3, 0) else "latin-1"))
    return Header(data[: start + length], _dtype(fields["descr"], void_dtype), *_layout(fields))


def _fields(text: str) -> dict[str, object]:
    try:
        with warnings.catch_warnings():  # Python warns of odd escapes in the header, which means nothing to a user
            warnings.simplefilter("ignore")
            fields = ast.literal_eval(text.strip())
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"has a .npy header that cannot be read ({type(error).__name__})") from error
    if not isinstance(fields, dict) or fields.keys() != {"descr", "fortran_order", "shape"}:
        raise ValueError("has a .npy header without exactly descr, fortran_order and shape")
    return fields


def _layout(fields: dict[str, object]) -> tuple[tuple[int, ...], bool]:
    shape, fortran = fields["shape"], fields["fortran_order"]
    if not isinstance(shape, tuple) or not all(type(size) is int and 0 <= size < 1 << 63 for size in shape):
        raise ValueError(f"has the shape {str(shape)[:80]}")
    if len(shape) > MOST_DIMENSIONS:
        raise ValueError(f"has {len(shape):,} dimensions; numpy has at most {MOST_DIMENSIONS}")
    if type(fortran) is not bool:
        raise ValueError("has a fortran_order that is neither True nor False")
    return shape, fortran and len(shape) > 1


def _dtype(descr: object, void_dtype: str | None) -> DType:
    if not isinstance(descr, str):
        raise ValueError("has a structured dtype; only plain numbers can be gradients")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dtype = np.dtype(descr)
    except (TypeError, ValueError, SyntaxError) as error:
        raise ValueError(f"has the dtype {descr[:40]!r}, which numpy does not know") from error
    if dtype.kind == "O":
        raise ValueError("holds pickled Python objects, which are never loaded; save it as an array of numbers")
    if dtype.kind == "V" and dtype.itemsize == 2 and dtype.names is None and dtype.subdtype is None:
        if void_dtype is None:
            raise ValueError("has 2-byte elements of no type; if they are bfloat16, give --void-dtype bfloat16")
        return dtypes.BFLOAT16
    if dtype.kind == "V" or not dtype.itemsize:
        raise ValueError(f"has the dtype {descr[:40]!r}; only plain numbers can be gradients")
    found = dtypes.from_numpy(dtype)
    if found.kind == "other" and dtype.kind in "fc":
        raise ValueError(
            f"has elements of {dtype.itemsize} bytes ({dtype.name}); no norm of them could be right in float64"
        )
    return found


def header(spec: TensorSpec) -> bytes:
    """Return the header that numpy writes for `spec`; bfloat16 becomes `|V2`."""
    out = io.BytesIO()
    descr = np.lib.format.dtype_to_descr(dtypes.to_numpy(spec.dtype))
    np.lib.format.write_array_header_1_0(out, {"descr": descr, "fortran_order": spec.fortran, "shape": spec.shape})
    return out.getvalue()
