"""Measure how much the elements of two tensors differ.

Elements are compared as numbers, whatever their dtypes. NaN equals NaN, +0 equals -0, an infinity equals only itself, and
other numbers are equal if |a - b| <= atol + rtol·|b|, as in `numpy.isclose`.
"""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics.dtypes import DType, Raw, decode, words_of
from gradclip_cli.numerics.workspace import Buffer, Workspace

Wide = NDArray[np.float64]

_EXACT = 1 << 53
"""Float64 holds every whole number up to this one."""


class Tolerance(NamedTuple):
    """The relative and absolute difference up to which two elements count as equal."""

    rtol: float = 0.0
    atol: float = 0.0


class Difference(NamedTuple):
    """Whether elements are equal, and how much they differ at most.

    `max_abs` is the largest |a - b|, `max_rel` the largest |a - b| / |b| over the elements where b is not 0, None if b is 0
    everywhere. The difference of a number and NaN is NaN, that of a number and an infinity is infinite.
    """

    same: bool = True
    max_abs: float = 0.0
    max_rel: float | None = None


class Numbers(NamedTuple):
    """Elements as float64; `rest` holds what float64 loses of large whole numbers: the exact value is `values + rest`."""

    values: Wide
    rest: Wide | None = None


def numbers(raw: Raw, dtype: DType, out: Buffer, work: Workspace) -> Numbers:
    """Decode stored elements of any dtype but complex exactly, into memory of `out`."""
    values = out.take(raw.size // dtype.itemsize, np.float64)
    if dtype.kind == "int" and dtype.itemsize == 8:
        return _split_int64(decode(raw, dtype, work), values)
    with np.errstate(invalid="ignore"):  # a signalling NaN is treated as any other
        np.copyto(values, words_of(raw, dtype) != 0 if dtype.kind == "bool" else decode(raw, dtype, work))
    return Numbers(values)


def difference(a: Numbers, b: Numbers, tolerance: Tolerance, work: Workspace) -> tuple[Difference, Wide]:
    """Compare two nonempty arrays of the same length; return |a - b|, too, 0 where both are the same, in `work.distance`."""
    with np.errstate(all="ignore"):
        apart = np.subtract(a.values, b.values, out=work.distance.take(a.values.size, np.float64))
        if a.rest is not None or b.rest is not None:
            apart += _or_zero(a.rest) - _or_zero(b.rest)
        np.abs(apart, out=apart)
        size = np.abs(b.values, out=work.size_b.take(b.values.size, np.float64))
        if math.isfinite(apart.max()):
            return compare_sizes(apart, size, tolerance), apart
        return _compare_mixed(a.values, b.values, apart, tolerance), apart


def merge_differences(parts: Iterable[Difference]) -> Difference:
    """Merge the differences of several pieces, given in any order."""
    found = list(parts)
    ratios = [part.max_rel for part in found if part.max_rel is not None]
    return Difference(
        all(part.same for part in found),
        _largest([part.max_abs for part in found]),
        _largest(ratios) if ratios else None,
    )


def _split_int64(whole: NDArray[Any], values: Wide) -> Numbers:
    """Split 64-bit integers into float64 and the rest that float64 cannot hold."""
    np.copyto(values, whole)
    if not whole.size or max(int(whole.max()), -int(whole.min())) <= _EXACT:
        return Numbers(values)
    high, low = (whole >> 32).astype(np.float64) * 2.0**32, (whole & 0xFFFFFFFF).astype(np.float64)
    return Numbers(values, (high - values) + low)  # exact: |high| is 0 or larger than low (Dekker 1971)


def _or_zero(rest: Wide | None) -> Wide | float:
    return 0.0 if rest is None else rest


def compare_sizes(apart: Wide, size: Wide, tolerance: Tolerance) -> Difference:
    """Compare elements by `apart` = |a - b| and `size` = |b|, all finite; `size` is overwritten."""
    rtol, atol = tolerance
    most = float(apart.max())
    same = most <= atol or (rtol > 0 and bool((apart <= atol + rtol * size).all()))
    if not size.min():  # rare, and slower to look for element by element
        if not size.any():
            return Difference(same, most)
        np.copyto(size, math.inf, where=size == 0)
    return Difference(same, most, float(np.divide(apart, size, out=size).max()))


def _compare_mixed(a: Wide, b: Wide, apart: Wide, tolerance: Tolerance) -> Difference:
    """Compare elements if some are NaN or infinite, or if a difference is above the range of float64.

    In `apart`, what is NaN though both are the same becomes 0.
    """
    usual = np.isfinite(apart)
    far = ~usual & np.isfinite(a) & np.isfinite(b)
    odd = ~usual & ~far
    parts = [compare_sizes(apart[usual], np.abs(b[usual]), tolerance)] if usual.any() else []
    if far.any():
        quarter = np.abs(b[far] / 4)
        found = compare_sizes(np.abs(a[far] / 4 - b[far] / 4), quarter, Tolerance(tolerance.rtol, tolerance.atol / 4))
        parts.append(found._replace(max_abs=math.inf))
    if odd.any():
        found, apart[odd] = _compare_nonfinite(a[odd], b[odd])
        parts.append(found)
    return merge_differences(parts)


def _compare_nonfinite(a: Wide, b: Wide) -> tuple[Difference, Wide]:
    """Compare pairs of elements, at least one of each pair NaN or infinite; return their distances, too."""
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    apart = np.where(same, 0.0, np.where(np.isnan(a) | np.isnan(b), math.nan, math.inf))
    known = apart[b != 0]
    return Difference(bool(same.all()), float(apart.max()), float(known.max()) if known.size else None), apart


def _largest(values: list[float]) -> float:
    """Return the largest number, or NaN if there is one."""
    return math.nan if any(map(math.isnan, values)) else max(values, default=0.0)
