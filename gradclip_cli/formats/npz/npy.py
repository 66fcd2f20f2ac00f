"""Parse and write the header of a `.npy` array, which stands before the elements.

Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

import ast
import io
import math
import warnings
from typing import Any, NamedTuple

import numpy as np

from gradclip_cli.numerics import dtypes
from gradclip_cli.numerics.dtypes import DType
from gradclip_cli.tensors import TensorSpec

MAGIC = b"\x93NUMPY"
"""What every array begins with."""

MAX_HEADER = 10_000
"""numpy's own limit, in bytes; no more is inflated for a header, since an archive can inflate to any length."""

LONGEST = 12 + MAX_HEADER

MOST_DIMENSIONS = 64
"""numpy's own limit."""

_UNKNOWN = (TypeError, ValueError, SyntaxError, LookupError, OverflowError, RecursionError, MemoryError)
"""What numpy raises for descriptions of dtypes that it does not know."""


class Header(NamedTuple):
    """A parsed header; `raw` holds its bytes, which a copy repeats if numpy itself can read them (`plain`)."""

    raw: bytes
    dtype: DType
    shape: tuple[int, ...]
    fortran: bool
    plain: bool = True
    pickled: bool = False
    """Whether the elements are pickled objects, so that their size is unknown."""
    may_hide_floats: bool = False
    """Whether the elements are structures with floats in them, or bytes of no type."""

    @property
    def nbytes(self) -> int:
        """The size of the elements in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def is_numbers(self) -> bool:
        """Whether the elements are plain numbers."""
        return self.dtype.kind != "other"


def parse(data: bytes, void_dtype: str | None) -> Header:
    """Parse the header at the start of `data`; raise ValueError with the reason if it is wrong."""
    if data[:6] != MAGIC:
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
    found, plain = _numpy_dtype(fields["descr"]), isinstance(fields["shape"], tuple)
    return Header(
        data[: start + length],
        _dtype(found, void_dtype),
        *_layout(fields),
        plain,
        found.hasobject,
        found.kind == "V" and _may_hold_floats(found),
    )


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
    if type(shape) is int:  # some writers leave out the comma of (184,)
        shape = (shape,)
    if not isinstance(shape, tuple) or not all(type(size) is int and 0 <= size < 1 << 63 for size in shape):
        raise ValueError(f"has the shape {str(shape)[:80]}")
    if len(shape) > MOST_DIMENSIONS:
        raise ValueError(f"has {len(shape):,} dimensions; numpy has at most {MOST_DIMENSIONS}")
    if type(fortran) is not bool:
        raise ValueError("has a fortran_order that is neither True nor False")
    return shape, fortran and len(shape) > 1


def _numpy_dtype(descr: Any) -> np.dtype[Any]:
    if not isinstance(descr, str | tuple | list):
        raise ValueError(f"has the dtype {str(descr)[:40]}, which is neither a text nor a list of fields")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found: np.dtype[Any] = np.lib.format.descr_to_dtype(descr)  # type: ignore[arg-type]  # its stubs know lists only
            hash(found)  # a title of a field may have no hash, and what is known of dtypes is cached
    except _UNKNOWN as error:
        raise ValueError(f"has the dtype {str(descr)[:40]!r}, which numpy does not know; save it as float32") from error
    return found


def _dtype(found: np.dtype[Any], void_dtype: str | None) -> DType:
    """Return the dtype of elements; what is not plain numbers becomes `other`."""
    if found.kind == "V" and found.itemsize == 2 and found.names is None and found.subdtype is None:
        if void_dtype is None:
            raise ValueError("has 2-byte elements of no type; if they are bfloat16, give --void-dtype bfloat16")
        return dtypes.BFLOAT16
    known = dtypes.from_numpy(found)
    if known.kind == "other" and found.kind in "fc":
        raise ValueError(
            f"has elements of {found.itemsize} bytes ({found.name}); no norm of them could be right in float64"
        )
    return known


def _may_hold_floats(found: np.dtype[Any]) -> bool:
    """Return whether elements are floats or bytes of no type, or hold any."""
    if found.subdtype is not None:
        return _may_hold_floats(found.subdtype[0])
    if found.names is not None:
        return any(_may_hold_floats(found[name]) for name in found.names)
    return found.kind in "fcV"


def header(spec: TensorSpec) -> bytes:
    """Return the header that numpy writes for `spec`; bfloat16 becomes `|V2`."""
    out = io.BytesIO()
    descr = np.lib.format.dtype_to_descr(dtypes.to_numpy(spec.dtype))
    np.lib.format.write_array_header_1_0(out, {"descr": descr, "fortran_order": spec.fortran, "shape": spec.shape})
    return out.getvalue()
