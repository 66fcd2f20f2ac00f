"""Compare many small tensors at once, with the bits of comparing each alone: a dump holds hundreds of them."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics.comparison import Comparison
from gradclip_cli.numerics.differences import Difference, Tolerance, numbers
from gradclip_cli.numerics.dtypes import DType, Raw
from gradclip_cli.numerics.norms import exponents_outside
from gradclip_cli.numerics.products import L2Norm
from gradclip_cli.numerics.sums import sum_rows
from gradclip_cli.numerics.workspace import Workspace

Wide = NDArray[np.float64]


class _Sides(NamedTuple):
    """The elements of all tensors one after the other: both sides, and |a - b|; `starts` is where each tensor begins."""

    a: Wide
    b: Wide
    apart: Wide
    starts: NDArray[np.intp]


def compare_small(
    raws: tuple[Raw, Raw],
    dtypes: tuple[DType, DType],
    sizes: Sequence[int],
    tolerance: Tolerance,
    work: Workspace,
    scale: float = 1.0,
) -> list[Comparison | None]:
    """Compare tensors of real floats, each of 1 element to one block, whose stored bytes stand one after the other.

    Both sides have the loss scale `scale`. The result is None for a tensor that must be compared alone, since some element is
    not finite, or a square could leave the range of float64.
    """
    a, b = (
        numbers(raw, dtype, buffer, work).values
        for raw, dtype, buffer in zip(raws, dtypes, (work.numbers_a, work.numbers_b), strict=True)
    )
    starts = np.cumsum([0, *sizes[:-1]])
    with np.errstate(all="ignore"):
        apart = np.subtract(a, b, out=work.distance.take(a.size, np.float64))
        np.abs(apart, out=apart)
    sides = _Sides(a, b, apart, starts)
    with np.errstate(all="ignore"):
        peaks = np.maximum.reduceat(apart, starts)
        usual = np.isfinite(peaks)
        if max(one.itemsize for one in dtypes) == 8:
            usual &= _in_range(sides, peaks)
        differences = _differences(sides, peaks, tolerance._replace(atol=tolerance.atol * scale), work)
        sums = [_row_sums(sizes, left, right, work) for left, right in ((a, a), (b, b), (a, b), (apart, apart))]
    found = _comparisons(differences, sums, scale)
    return [one if kept else None for one, kept in zip(found, usual.tolist(), strict=True)]


def _in_range(sides: _Sides, peaks: Wide) -> NDArray[np.bool_]:
    """Tell which tensors need not be scaled before their elements are squared."""
    found: NDArray[np.bool_] = exponents_outside(peaks) == 0
    for side in (sides.a, sides.b):
        highest, lowest = np.maximum.reduceat(side, sides.starts), np.minimum.reduceat(side, sides.starts)
        found &= exponents_outside(np.maximum(highest, -lowest)) == 0
    return found


def _differences(sides: _Sides, peaks: Wide, tolerance: Tolerance, work: Workspace) -> list[Difference]:
    rtol, atol = tolerance
    size = np.abs(sides.b, out=work.size_b.take(sides.b.size, np.float64))
    same = peaks <= atol
    if rtol > 0 and not same.all():
        same |= np.logical_and.reduceat(sides.apart <= atol + rtol * size, sides.starts)
    some = np.maximum.reduceat(size, sides.starts) > 0
    np.copyto(size, np.inf, where=size == 0)
    ratios = np.maximum.reduceat(np.divide(sides.apart, size, out=size), sides.starts)
    rows = zip(same.tolist(), peaks.tolist(), some.tolist(), ratios.tolist(), strict=True)
    return [Difference(one, most, ratio if known else None) for one, most, known, ratio in rows]


def _row_sums(sizes: Sequence[int], left: Wide, right: Wide, work: Workspace) -> list[float]:
    """Return Σ left·right of each tensor; neighbours of one size are added at once."""
    terms = np.multiply(left, right, out=work.terms.take(left.size, np.float64))
    found, at = list[float](), 0
    for size, run in groupby(sizes):
        count = sum(1 for _ in run)
        found += sum_rows(terms[at : at + count * size].reshape(count, size), work).tolist()
        at += count * size
    return found


def _comparisons(differences: Iterable[Difference], sums: Iterable[list[float]], scale: float) -> Iterator[Comparison]:
    for found, a, b, product, distance in zip(differences, *sums, strict=True):
        norms = L2Norm((0, a), scale=scale), L2Norm((0, b), scale=scale)
        apart = found if scale == 1 else found._replace(max_abs=found.max_abs / scale)
        yield Comparison(apart, *norms, (0, product), L2Norm((0, distance), scale=scale))
