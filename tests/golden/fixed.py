"""Numbers that are the same on every machine and with any library: hashes of their places, taken as signs, exponents and digits."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics.dtypes import DType, Raw, decode
from gradclip_cli.numerics.workspace import Workspace

_STEP, _FIRST, _SECOND = (np.uint64(word) for word in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))

EXPONENTS = {"usual": (-8, 2), "tiny": (-1074, -1000), "huge": (1000, 1023)}
"""Between which powers of two the numbers of a kind lie; those of the kind `any` are all that a dtype has."""


def words(count: int, seed: int) -> NDArray[np.uint64]:
    """Return 64-bit words that look random, by their place: SplitMix64 (Steele, Lea and Flood 2014)."""
    found = (np.arange(1, count + 1, dtype=np.uint64) + np.uint64(seed << 32)) * _STEP
    found = (found ^ (found >> np.uint64(30))) * _FIRST
    found = (found ^ (found >> np.uint64(27))) * _SECOND
    return found ^ (found >> np.uint64(31))


def numbers(count: int, seed: int, kind: str = "usual") -> NDArray[np.float64]:
    """Return float64 numbers of either sign; one in sixteen is zero."""
    least, most = EXPONENTS[kind]
    found = words(count, seed)
    digits = (found >> np.uint64(12)).astype(np.float64) * 2.0**-52 + 1.0
    low = (found & np.uint64(0xFFF)).astype(np.int64)
    values = np.ldexp(digits, least + low // 2 % (most - least))
    values[low % 2 == 1] *= -1.0
    values[words(count, seed + 1) % np.uint64(16) == 0] = 0.0
    return values


def stored(count: int, seed: int, dtype: DType, kind: str = "usual") -> Raw:
    """Return the bytes of elements in this machine's order, all finite."""
    if dtype.is_complex:
        return stored(2 * count, seed, dtype.part, kind)
    if kind == "any":
        return _of_any_bits(count, seed, dtype)
    values: NDArray[Any] = numbers(count, seed, kind)
    if dtype.name == "bfloat16":  # cut off, not rounded: the upper half of a float32
        values = (values.astype(np.float32).view(np.uint32) >> np.uint32(16)).astype(np.uint16)
    else:
        values = values.astype(dtype.name)
    return np.frombuffer(values.tobytes(), np.uint8).copy()


def _of_any_bits(count: int, seed: int, dtype: DType) -> Raw:
    """Take the lowest bits of the words as elements; NaN and infinities become zero."""
    elements = words(count, seed).astype(f"u{dtype.itemsize}")
    elements[~np.isfinite(decode(elements.view(np.uint8), dtype, Workspace()))] = 0
    return elements.view(np.uint8)
