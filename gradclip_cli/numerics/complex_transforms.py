"""Change complex elements one by one in place: limit their moduli, and replace NaN and infinities."""

import math

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics import moduli
from gradclip_cli.numerics.dtypes import DType, Raw, decode, encode, words_of
from gradclip_cli.numerics.moduli import CHUNK, Parts
from gradclip_cli.numerics.workspace import Workspace


def clamp_complex(raw: Raw, dtype: DType, limit: float, keep_infinite: bool, work: Workspace) -> int:
    """Replace z by z · limit / |z| where |z| > limit, each part rounded once; return the number of replaced elements.

    An infinite z becomes `limit` in its direction, where a finite part counts as 0; it becomes NaN if a part is NaN.
    """
    step = CHUNK * dtype.itemsize
    return sum(
        _clamp(raw[start : start + step], dtype, limit, keep_infinite, work) for start in range(0, raw.size, step)
    )


def zero_nonfinite_complex(raw: Raw, dtype: DType, work: Workspace) -> None:
    """Replace elements with a part that is NaN or infinite by zero."""
    finite = np.isfinite(decode(raw, dtype.part, work)).reshape(-1, 2)
    words = words_of(raw, dtype.part).reshape(-1, 2)
    words[~(finite[:, 0] & finite[:, 1])] = 0


def far_complex(raw: Raw, dtype: DType, limit: float, work: Workspace) -> NDArray[np.bool_]:
    """Return which complex elements have |z| > limit."""
    found: NDArray[np.bool_] = moduli.moduli(moduli.parts_of(raw, dtype, work.real, work.imaginary, work), work) > limit
    return found


def _clamp(raw: Raw, dtype: DType, limit: float, keep_infinite: bool, work: Workspace) -> int:
    parts = moduli.parts_of(raw, dtype, work.real, work.imaginary, work)
    infinite = moduli.is_infinite(parts)
    with np.errstate(invalid="ignore"):
        above = moduli.moduli(parts, work) > limit
    above = above & ~infinite if keep_infinite or math.isinf(limit) else above | infinite
    which = np.flatnonzero(above)
    if which.size:
        limited = np.empty(which.size * dtype.itemsize, np.uint8)
        encode(_limited(parts, which, limit, work).reshape(-1), dtype.part, limited, work)
        words_of(raw, dtype.part).reshape(-1, 2)[which] = words_of(limited, dtype.part).reshape(-1, 2)
    return which.size


def _limited(parts: Parts, which: NDArray[np.intp], limit: float, work: Workspace) -> NDArray[np.float64]:
    """Return the elements `which` with the modulus `limit`, as pairs of shape (elements, 2)."""
    chosen = Parts(parts.real[which], parts.imaginary[which], parts.wide)
    infinite = moduli.is_infinite(chosen)
    for part in (chosen.real, chosen.imaginary):
        part[infinite] = _directions(part[infinite])
    _, exponents = np.frexp(np.maximum(np.abs(chosen.real), np.abs(chosen.imaginary)))
    pairs = np.stack([np.ldexp(part, _AWAY - exponents) for part in (chosen.real, chosen.imaginary)], axis=1)
    real, imaginary = np.ldexp(pairs, -_AWAY).T
    sizes = moduli.moduli(Parts(real, imaginary, wide=False), work)
    mantissa, exponent = math.frexp(limit)
    with np.errstate(invalid="ignore"):
        found: NDArray[np.float64] = np.ldexp(pairs / sizes[:, None] * mantissa, exponent - _AWAY)
    return found


_AWAY = 500
"""The exponent that keeps the quotient of a small part away from where it would be rounded before it is multiplied."""


def _directions(part: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ±1 for an infinite part, ±0 for a finite one, and NaN for NaN."""
    sizes = np.where(np.isinf(part), 1.0, np.where(np.isnan(part), math.nan, 0.0))
    found: NDArray[np.float64] = np.copysign(sizes, part)
    return found
