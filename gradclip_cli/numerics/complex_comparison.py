"""Compare elements of two tensors of which one at least is complex: by |a - b| and |b|, and by the real part of Σ conj(a)·b."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics import moduli
from gradclip_cli.numerics.differences import Difference, Tolerance, compare_sizes, merge_differences, numbers
from gradclip_cli.numerics.dtypes import FLOAT64, DType, Raw
from gradclip_cli.numerics.moduli import Parts
from gradclip_cli.numerics.products import BlockSquares, BlockSums, block_squares
from gradclip_cli.numerics.sums import sum_rows
from gradclip_cli.numerics.workspace import Buffer, Workspace

Wide = NDArray[np.float64]
Compared = tuple[Difference, BlockSquares | None, BlockSquares | None, BlockSums | None, BlockSquares | None]
"""The difference of consecutive blocks, their squares (None unless of floats), their products, and the squares of a - b.

The last two are None unless both are of floats.
"""


class _Measured(NamedTuple):
    """The squares of rows, and the rows with zeros in place of NaN and infinities."""

    squares: BlockSquares
    parts: Parts


def compare_complex(
    raws: tuple[Raw, Raw],
    dtypes: tuple[DType, DType],
    tolerance: Tolerance,
    width: int,
    work: Workspace,
    ratio: float = 1,
) -> Compared:
    """Compare consecutive elements in rows of `width`; a real number has the imaginary part 0.

    The difference is that to the second ones times `ratio`, which brings them into the units of the first.
    """
    a, lost_a = _parts(raws[0], dtypes[0], work.numbers_a, work.imaginary_a, work)
    b, lost_b = _parts(raws[1], dtypes[1], work.numbers_b, work.imaginary_b, work)
    found, apart = _difference(a, _times(b, ratio), lost_a - lost_b, tolerance, work)
    first = _measure(a, width, work) if dtypes[0].is_gradient else None
    second = _measure(b, width, work) if dtypes[1].is_gradient else None
    if first is None or second is None:
        return found, first and first.squares, second and second.squares, None, None
    distance, _ = block_squares(apart.reshape(-1, width), FLOAT64, work)
    return found, first.squares, second.squares, _products(first, second, work), distance


def compare_identical(raw: Raw, dtype: DType, width: int, work: Workspace) -> Compared:
    """Compare complex elements that are identical bit for bit: measure them once."""
    found = _measure(moduli.parts_of(raw, dtype, work.numbers_a, work.imaginary_a, work), width, work).squares
    some = found.nan or found.infinite or bool(found.sums.values.any())
    exponents, values = found.sums
    none = BlockSquares(BlockSums(np.zeros_like(exponents), np.zeros_like(values)))
    return Difference(max_rel=0.0 if some else None), found, found, BlockSums(2 * exponents, values), none


def _parts(raw: Raw, dtype: DType, real: Buffer, imaginary: Buffer, work: Workspace) -> tuple[Parts, Wide | float]:
    """Return elements of any dtype as complex numbers, and what float64 loses of large whole numbers."""
    if dtype.is_complex:
        return moduli.parts_of(raw, dtype, real, imaginary, work), 0.0
    values, rest = numbers(raw, dtype, real, work)
    none = imaginary.take(values.size, np.float64)
    none.fill(0.0)
    return Parts(values, none, dtype.itemsize == 8), 0.0 if rest is None else rest


def _times(parts: Parts, ratio: float) -> Parts:
    if ratio == 1:
        return parts
    with np.errstate(all="ignore"):
        return Parts(parts.real * ratio, parts.imaginary * ratio, wide=True)


def _difference(
    a: Parts, b: Parts, lost: Wide | float, tolerance: Tolerance, work: Workspace
) -> tuple[Difference, Wide]:
    """Compare elements; return |a - b|, too, 0 where both are the same."""
    with np.errstate(all="ignore"):
        apart = _distance(a, b, work, lost)
        size = np.array(moduli.moduli(b, work))
        usual = np.isfinite(apart) & np.isfinite(size)
        if usual.all():
            return compare_sizes(apart, size, tolerance), apart
        apart = apart.copy()
        finite = ~(moduli.is_nan(a) | moduli.is_infinite(a) | moduli.is_nan(b) | moduli.is_infinite(b))
        parts = [compare_sizes(apart[usual], size[usual], tolerance)] if usual.any() else []
        if (far := finite & ~usual).any():
            parts.append(_compare_far(_taken(a, far), _taken(b, far), tolerance, work))
        if not finite.all():
            found, apart[~finite] = _compare_nonfinite(_taken(a, ~finite), _taken(b, ~finite))
            parts.append(found)
        return merge_differences(parts), apart


def _distance(a: Parts, b: Parts, work: Workspace, lost: Wide | float = 0.0) -> Wide:
    """Return |a - b + lost| in `work.distance`."""
    found = work.distance.take(a.real.size, np.float64)
    apart = Parts(a.real - b.real + lost, a.imaginary - b.imaginary, a.wide or b.wide)
    np.copyto(found, moduli.moduli(apart, work))
    return found


def _compare_far(a: Parts, b: Parts, tolerance: Tolerance, work: Workspace) -> Difference:
    """Compare finite elements that are so large that |a - b| or |b| is above the range of float64."""
    a, b = (Parts(one.real / 4, one.imaginary / 4, wide=True) for one in (a, b))
    apart, size = _distance(a, b, work), np.array(moduli.moduli(b, work))
    found = compare_sizes(apart, size, Tolerance(tolerance.rtol, tolerance.atol / 4))
    return found._replace(max_abs=found.max_abs * 4)


def _compare_nonfinite(a: Parts, b: Parts) -> tuple[Difference, Wide]:
    """Compare pairs of elements, at least one of each pair NaN or infinite; an infinity equals only itself.

    Return their distances, too.
    """
    pairs = (a.real, b.real), (a.imaginary, b.imaginary)
    equal = [(x == y) | (np.isnan(x) & np.isnan(y)) for x, y in pairs]
    nan_a, nan_b = moduli.is_nan(a), moduli.is_nan(b)
    same = (equal[0] & equal[1]) | (nan_a & nan_b)
    apart = np.where(same, 0.0, np.where(nan_a | nan_b, math.nan, math.inf))
    known = apart[(b.real != 0) | (b.imaginary != 0)]
    return Difference(bool(same.all()), float(apart.max()), float(known.max()) if known.size else None), apart


def _taken(parts: Parts, which: NDArray[np.bool_]) -> Parts:
    return Parts(parts.real[which], parts.imaginary[which], parts.wide)


def _measure(parts: Parts, width: int, work: Workspace) -> _Measured:
    nan = infinite = False
    if not moduli.are_finite(parts):
        kinds = moduli.is_nan(parts), moduli.is_infinite(parts)
        nan, infinite = (bool(kind.any()) for kind in kinds)
        for part in (parts.real, parts.imaginary):
            np.copyto(part, 0.0, where=kinds[0] | kinds[1])
    rows = Parts(parts.real.reshape(-1, width), parts.imaginary.reshape(-1, width), parts.wide)
    found = moduli.squares(rows, work)
    return _Measured(BlockSquares(BlockSums(found.exponents, found.sums(work)), nan, infinite), rows)


def _products(a: _Measured, b: _Measured, work: Workspace) -> BlockSums:
    """Return Σ re·re + im·im of each row, scaled by the powers of two of the squares of both rows."""
    exponents = a.squares.sums.exponents, b.squares.sums.exponents
    first, second = (moduli.scaled(one.parts, scale[:, None]) for one, scale in zip((a, b), exponents, strict=True))
    terms = first.real * second.real + first.imaginary * second.imaginary
    return BlockSums(exponents[0] + exponents[1], sum_rows(terms, work))
