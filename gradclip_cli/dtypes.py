"""How numbers lie in files, and how they are computed with.

Stored elements are raw bytes. `decode` makes them float32 or float64 (float64 for what is stored in 64 bits; always exact);
`encode` rounds them back, to nearest even. 16-bit and 8-bit floats are rounded from float32 by integer arithmetic, since
the usual casts take 50 to 100 ns for each subnormal, and gradients are full of them.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.buffers import borrow

Raw = NDArray[np.uint8]
Floats = NDArray[Any]  # float32 or float64


@dataclass(frozen=True)
class DType:
    """An element type as it lies in a file.

    `kind` is `float`, `int`, `bool`, `complex` or `other` (kept, never computed with); `swapped` says that the bytes are in
    the other order than this machine's. `exponent` and `mantissa` are the bits of a float narrower than float32.
    """

    name: str
    itemsize: int
    kind: str
    swapped: bool = False
    exponent: int = 0
    mantissa: int = 0

    @property
    def is_float(self) -> bool:
        """Whether elements of this type are gradients."""
        return self.kind == "float"

    @property
    def eps(self) -> float:
        """The distance from 1 to the next larger number."""
        return float(2.0**-self.mantissa) if self.mantissa else float(np.finfo(self.name).eps)


FLOAT64 = DType("float64", 8, "float")
FLOAT32 = DType("float32", 4, "float")
FLOAT16 = DType("float16", 2, "float", exponent=5, mantissa=10)
BFLOAT16 = DType("bfloat16", 2, "float", exponent=8, mantissa=7)
FLOAT8_E4M3FN = DType("float8_e4m3fn", 1, "float", exponent=4, mantissa=3)
FLOAT8_E5M2 = DType("float8_e5m2", 1, "float", exponent=5, mantissa=2)
FLOATS = (FLOAT64, FLOAT32, FLOAT16, BFLOAT16, FLOAT8_E4M3FN, FLOAT8_E5M2)

_KINDS = {"f": "float", "i": "int", "u": "int", "b": "bool", "c": "complex"}
_NAMED = {dtype.name: dtype for dtype in FLOATS}


def from_numpy(dtype: np.dtype[Any]) -> DType:
    """Describe a numpy dtype; what is not a number becomes `other`."""
    swapped = not dtype.isnative
    named = _NAMED.get(dtype.name)
    if named is not None:
        return DType(named.name, named.itemsize, "float", swapped, named.exponent, named.mantissa)
    kind = _KINDS.get(dtype.kind, "other")
    if kind == "float":  # numpy's long double: wider than float64, so no norm of it could be right
        kind = "other"
    return DType(dtype.name, dtype.itemsize, kind, swapped)


def to_numpy(dtype: DType) -> np.dtype[Any]:
    """Return the numpy dtype whose bytes are those of `dtype`; bfloat16 and float8 are opaque bytes there."""
    if dtype.mantissa and dtype.name != "float16":
        return np.dtype(f"V{dtype.itemsize}")
    plain = np.dtype(dtype.name)
    return plain.newbyteorder() if dtype.swapped else plain


def decode(raw: Raw, dtype: DType) -> Floats:
    """Return the numbers in `raw` as float32 or float64, exactly; the array is good until the next call in this thread."""
    words: NDArray[Any] = raw.view(f"u{dtype.itemsize}")
    if dtype.swapped:
        words = words.byteswap()
    if dtype.name in ("float64", "float32"):
        return words.view(dtype.name)
    out = borrow("decoded", words.size, np.float32)
    if dtype.name == "bfloat16":
        bits = out.view(np.uint32)
        np.copyto(bits, words)
        np.left_shift(bits, 16, out=bits)
    else:
        index = borrow("index", words.size, np.intp)
        np.copyto(index, words)
        np.take(_table(dtype), index, out=out, mode="clip")
    return out


def widen(values: Floats) -> NDArray[np.float64]:
    """Copy `values` to float64 in a reused array, good until the next call in this thread."""
    out = borrow("float64", values.size, np.float64)
    np.copyto(out, values)
    return out


def encode(values: Floats, dtype: DType, raw: Raw) -> None:
    """Round `values` to `dtype`, to nearest even, into `raw`."""
    if dtype.mantissa:
        words = raw.view(f"u{dtype.itemsize}")
        single = borrow("single", values.size, np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            np.copyto(single, values, casting="same_kind")
        np.copyto(words, _round_bits(single, dtype), casting="unsafe")
    else:
        words = raw.view(f"u{dtype.itemsize}")
        with np.errstate(over="ignore"):
            np.copyto(words.view(dtype.name), values, casting="same_kind")
    if dtype.swapped:
        words.byteswap(inplace=True)


def constant(value: float, dtype: DType) -> NDArray[Any]:
    """Return `value` rounded to `dtype`, as one stored word."""
    raw = np.empty(dtype.itemsize, np.uint8)
    encode(np.array([value]), dtype, raw)
    return raw.view(f"u{dtype.itemsize}")


def _round_bits(single: NDArray[np.float32], dtype: DType) -> NDArray[np.uint32]:
    """Round float32 to the bits of a narrower float, in place; the classic arithmetic of hardware half converters."""
    drop = 23 - dtype.mantissa
    bits = single.view(np.uint32)
    sign = borrow("sign", bits.size, np.uint32)
    np.right_shift(bits, 31, out=sign)
    np.left_shift(sign, dtype.exponent + dtype.mantissa, out=sign)
    np.bitwise_and(bits, 0x7FFFFFFF, out=bits)
    nan = np.isnan(single) if not np.isfinite(single.max(initial=0)) else None
    small = _subnormals(single, dtype) if dtype.exponent < 8 else None
    odd = borrow("odd", bits.size, np.uint32)
    np.right_shift(bits, drop, out=odd)
    np.bitwise_and(odd, 1, out=odd)
    np.add(bits, odd, out=bits)
    # Rebias the exponent and add just under half of the last kept bit; uint32 arithmetic wraps as it should.
    bias = ((1 << (dtype.exponent - 1)) - 1 - 127) << 23
    np.add(bits, np.uint32((bias + (1 << (drop - 1)) - 1) & 0xFFFFFFFF), out=bits)
    np.right_shift(bits, drop, out=bits)
    if small is not None:
        np.copyto(bits, small[1], where=small[0])
    np.minimum(bits, _overflow(dtype), out=bits)
    if nan is not None:
        bits[nan] = _quiet_nan(dtype)
    return np.bitwise_or(bits, sign, out=bits)


def _subnormals(size: NDArray[np.float32], dtype: DType) -> tuple[NDArray[np.bool_], NDArray[np.uint32]]:
    """Find what becomes subnormal in `dtype`, and round it: adding a power of two makes the processor round at its last bit."""
    bias = (1 << (dtype.exponent - 1)) - 1
    where = borrow("is small", size.size, np.bool_)
    np.less(size, np.float32(2.0 ** (1 - bias)), out=where)
    shifted = borrow("small", size.size, np.float32)
    magic = np.float32(2.0 ** (1 - bias - dtype.mantissa + 23))
    np.add(size, magic, out=shifted)
    words = shifted.view(np.uint32)
    np.subtract(words, magic.view(np.uint32), out=words)
    return where, words


def _overflow(dtype: DType) -> np.uint32:
    """The bits that stand for what is too large: infinity, or NaN in e4m3fn, which has no infinity."""
    if dtype.name == "float8_e4m3fn":
        return np.uint32(0x7F)
    return np.uint32(((1 << dtype.exponent) - 1) << dtype.mantissa)


def _quiet_nan(dtype: DType) -> np.uint32:
    return np.uint32(_overflow(dtype) | (1 << (dtype.mantissa - 1)))


@cache
def _table(dtype: DType) -> NDArray[np.float32]:
    """Every value of a float of 8 or 16 bits, by its bits."""
    bits = np.arange(1 << (8 * dtype.itemsize), dtype=np.int64)
    fraction = bits & ((1 << dtype.mantissa) - 1)
    power = (bits >> dtype.mantissa) & ((1 << dtype.exponent) - 1)
    bias = (1 << (dtype.exponent - 1)) - 1
    whole = fraction + (np.minimum(power, 1) << dtype.mantissa)
    values = np.ldexp(whole.astype(np.float64), np.maximum(power, 1) - bias - dtype.mantissa)
    top = (1 << dtype.exponent) - 1
    if dtype.name == "float8_e4m3fn":
        values[(bits & 0x7F) == 0x7F] = np.nan
    else:
        values[power == top] = np.where(fraction[power == top] == 0, np.inf, np.nan)
    signed = np.where(bits >> (dtype.exponent + dtype.mantissa), -values, values)
    return np.asarray(signed, dtype=np.float32)
