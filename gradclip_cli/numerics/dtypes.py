"""Describe the element types of files; convert stored elements to numbers and back.

Stored elements are raw bytes. `decode` converts them exactly to float32 or float64; `encode` rounds to nearest even.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics.narrow_floats import FN, FNUZ, index_of, round_bits, round_to_odd, values_of
from gradclip_cli.numerics.workspace import Workspace

Raw = NDArray[np.uint8]
Floats = NDArray[Any]  # float32 or float64


class DType(NamedTuple):
    """An element type of a file.

    `kind` is `float`, `int`, `bool`, `complex`, `packed` (values or scales that mean nothing without each other) or `other`;
    the last two are copied, never computed with. `swapped` says that the byte order is not that of this machine. `exponent`
    and `mantissa` are the numbers of bits of a float narrower than float32, `variant` the rule for its special values (see
    `narrow_floats`). An item of `itemsize` bytes holds `values` elements: 1, or more where an element is less than a byte.
    """

    name: str
    itemsize: int
    kind: str
    swapped: bool = False
    exponent: int = 0
    mantissa: int = 0
    variant: str = ""
    values: int = 1

    @property
    def is_float(self) -> bool:
        """Whether elements are real floating-point numbers."""
        return self.kind == "float"

    @property
    def is_complex(self) -> bool:
        """Whether elements are complex numbers, which count by their moduli."""
        return self.kind == "complex"

    @property
    def is_gradient(self) -> bool:
        """Whether elements of this type can be gradients."""
        return self.kind in {"float", "complex"}

    @property
    def part(self) -> "DType":
        """The float type of the real and of the imaginary part; the dtype itself unless it is complex."""
        if self.kind != "complex":
            return self
        found = FLOAT32 if self.itemsize == 8 else FLOAT64
        return swapped(found) if self.swapped else found

    @property
    def narrow(self) -> bool:
        """Whether this is a float of 16 or 8 bits."""
        return self.mantissa > 0

    @property
    def eps(self) -> float:
        """The distance from 1 to the next larger number."""
        return float(2.0**-self.mantissa) if self.mantissa else float(np.finfo(self.name).eps)


FLOAT64 = DType("float64", 8, "float")
FLOAT32 = DType("float32", 4, "float")
FLOAT16 = DType("float16", 2, "float", exponent=5, mantissa=10)
BFLOAT16 = DType("bfloat16", 2, "float", exponent=8, mantissa=7)
FLOAT8_E4M3FN = DType("float8_e4m3fn", 1, "float", exponent=4, mantissa=3, variant=FN)
FLOAT8_E5M2 = DType("float8_e5m2", 1, "float", exponent=5, mantissa=2)
FLOAT8_E4M3FNUZ = DType("float8_e4m3fnuz", 1, "float", exponent=4, mantissa=3, variant=FNUZ)
FLOAT8_E5M2FNUZ = DType("float8_e5m2fnuz", 1, "float", exponent=5, mantissa=2, variant=FNUZ)
FLOATS = (FLOAT64, FLOAT32, FLOAT16, BFLOAT16, FLOAT8_E4M3FN, FLOAT8_E5M2, FLOAT8_E4M3FNUZ, FLOAT8_E5M2FNUZ)
COMPLEX64 = DType("complex64", 8, "complex")
COMPLEX128 = DType("complex128", 16, "complex")

BYTES = DType("uint8", 1, "int")

FLOAT4_E2M1FN = DType("float4_e2m1fn", 1, "packed", values=2)
FLOAT6_E2M3FN = DType("float6_e2m3fn", 3, "packed", values=4)
FLOAT6_E3M2FN = DType("float6_e3m2fn", 3, "packed", values=4)
FLOAT8_E8M0FNU = DType("float8_e8m0fnu", 1, "packed")


@cache
def swapped(dtype: DType) -> DType:
    """Return `dtype` with its bytes in the other order."""
    return dtype._replace(swapped=True)


_KINDS = {"f": "float", "i": "int", "u": "int", "b": "bool", "c": "complex"}
_NAMED = {dtype.name: dtype for dtype in FLOATS}


def named(name: str) -> DType:
    """Return the float type of this name; raise KeyError if there is none."""
    return _NAMED[name]


@cache
def from_numpy(dtype: np.dtype[Any]) -> DType:
    """Return the DType of a numpy dtype; what is not a number becomes `other`."""
    if named := _NAMED.get(dtype.name):
        return named if dtype.isnative else swapped(named)
    kind = _KINDS.get(dtype.kind, "other")
    if kind == "float" or (kind == "complex" and dtype.itemsize > 16):
        kind = "other"  # numpy's long double: wider than float64, so no norm of it could be right
    return DType(dtype.name, dtype.itemsize, kind, not dtype.isnative)


def to_numpy(dtype: DType) -> np.dtype[Any]:
    """Return the numpy dtype whose bytes are those of `dtype`; bfloat16 and float8 are opaque bytes there."""
    if dtype.narrow and dtype.name != "float16":
        return np.dtype(f"V{dtype.itemsize}")
    plain = np.dtype(dtype.name)
    return plain.newbyteorder() if dtype.swapped else plain


def decode(raw: Raw, dtype: DType, work: Workspace) -> Floats:
    """Return the elements of `raw` exactly, as float32 or float64, or as integers of their own type.

    Narrow floats are decoded into `work.decoded`. All else is a view of `raw`, or of a copy in the byte order of this machine.
    """
    words = words_of(raw, dtype)
    if dtype.swapped:
        words = words.byteswap()
    if not dtype.narrow:
        return words.view(dtype.name)
    if dtype.name == "bfloat16":
        bits = work.decoded.take(words.size, np.uint32)
        np.copyto(bits, words)
        return np.left_shift(bits, 16, out=bits).view(np.float32)
    out = work.decoded.take(words.size, np.float64)
    return np.take(values_of(dtype), index_of(words, work), out=out, mode="clip")


def widen(values: Floats, work: Workspace) -> NDArray[np.float64]:
    """Return `values` as float64: the array itself, or a copy in `work.widened`.

    A signalling NaN is an invalid operation for numpy; the caller decides whether that warns.
    """
    if values.dtype == np.float64:
        return values
    out = work.widened.take(values.size, np.float64).reshape(values.shape)
    np.copyto(out, values)
    return out


def encode(values: Floats, dtype: DType, raw: Raw, work: Workspace) -> None:
    """Round `values`, float32 or float64, once to nearest even as `dtype`, into `raw`."""
    words = words_of(raw, dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        if dtype.narrow:
            exact = round_to_odd(values, dtype, work) if values.dtype == np.float64 else values
            single = work.single.take(values.size, np.float32)
            np.copyto(single, exact, casting="same_kind")
            np.copyto(words, round_bits(single, dtype, work), casting="unsafe")
        elif not np.may_share_memory(words, values):
            np.copyto(words.view(dtype.name), values, casting="same_kind")
    if dtype.swapped:
        words.byteswap(inplace=True)


def words_of(raw: Raw, dtype: DType) -> NDArray[Any]:
    """Return stored elements as unsigned integers."""
    return raw.view(f"u{dtype.itemsize}")


def constant(value: float, dtype: DType, work: Workspace) -> NDArray[Any]:
    """Return `value` rounded to `dtype`, as one stored word."""
    raw = np.empty(dtype.itemsize, np.uint8)
    encode(np.array([value]), dtype, raw, work)
    return words_of(raw, dtype)


def to_float64(words: NDArray[Any], dtype: DType) -> NDArray[np.float64]:
    """Return a few stored words of a real dtype, in the byte order of this machine, as new float64."""
    if dtype.itemsize == 1:
        found: NDArray[np.float64] = values_of(dtype)[words]
        return found
    if dtype.name == "bfloat16":
        numbers: NDArray[Any] = np.left_shift(words, 16, dtype=np.uint32).view(np.float32)
    else:
        numbers = words.view(dtype.name)
    return numbers.astype(np.float64)
