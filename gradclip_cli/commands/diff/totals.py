"""Add up the comparisons of a tensor over the steps of two runs; memory does not grow with the steps."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics import norms
from gradclip_cli.numerics.comparison import Comparison
from gradclip_cli.numerics.differences import Difference
from gradclip_cli.numerics.norms import ScaledSum
from gradclip_cli.numerics.products import L2Norm

_SQUARED = (2.0, 2.0, 1.0, 2.0)
"""The degrees of the four sums of a comparison: |a|², |b|², a·b and |a - b|²."""

_LEAST, _MOST = 1e-290, 1e290
"""Between these, or 0, sums are added as plain numbers."""

Wide = NDArray[np.float64]


class Totals:
    """What is known of each tensor so far, by its number: the order in which it came."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._sums = _Compensated()
        self._rare: dict[int, list[ScaledSum]] = {}  # sums outside the range of plain numbers
        self._flags: dict[int, tuple[list[bool], list[bool]]] = {}
        self._differences: list[Difference] = []
        self._floats: list[bool] = []

    def add(self, compared: Mapping[str, Comparison]) -> Wide:
        """Add the comparisons of one step; return the plain sums of each, NaN where they are not plain, in their order."""
        rows, numbers = [], []
        for name, found in compared.items():
            number = self._numbers.setdefault(name, len(self._numbers))
            numbers.append(number)
            rows.append(self._one(number, found))
        table = np.array(rows).reshape(-1, 4)
        self._sums.add(np.array(numbers, np.intp), np.nan_to_num(table, nan=0.0))
        return table

    def _one(self, number: int, found: Comparison) -> tuple[float, float, float, float]:
        if number == len(self._differences):
            self._differences.append(found.difference)
            self._floats.append(found.product is not None)
        else:
            self._differences[number] = _larger(self._differences[number], found.difference)
            self._floats[number] &= found.product is not None
        if found.a is None or found.b is None or found.product is None or found.distance is None:
            return (math.nan,) * 4
        if not (found.a.finite and found.b.finite and found.distance.finite):
            self._flag(number, (found.a, found.b, found.distance))
        if found.a.scale == found.b.scale == 1 and not (
            found.a.square[0] or found.b.square[0] or found.product[0] or found.distance.square[0]
        ):
            return found.a.square[1], found.b.square[1], found.product[1], found.distance.square[1]
        sums = _unscaled(found.a, found.b, found.product, found.distance)
        plain = [_plain(one, degree) for one, degree in zip(sums, _SQUARED, strict=True)]
        if all(value is not None for value in plain):
            return plain[0] or 0.0, plain[1] or 0.0, plain[2] or 0.0, plain[3] or 0.0
        before = self._rare.get(number, [(0, 0.0)] * 4)
        self._rare[number] = [norms.total(pair, degree) for *pair, degree in zip(before, sums, _SQUARED, strict=True)]
        return (math.nan,) * 4

    def _flag(self, number: int, of: Sequence[L2Norm]) -> None:
        nan, infinite = self._flags.setdefault(number, ([False] * 3, [False] * 3))
        for k, one in enumerate(of):
            nan[k] |= one.nan
            infinite[k] |= one.infinite

    @property
    def is_begun(self) -> bool:
        """Whether a step was added."""
        return bool(self._numbers)

    def comparisons(self) -> dict[str, Comparison]:
        """Return the comparison of each tensor in all steps as one vector."""
        sums = self._sums.result()
        return {name: self._comparison(number, sums[number].tolist()) for name, number in self._numbers.items()}

    def _comparison(self, number: int, plain: Sequence[float]) -> Comparison:
        difference = self._differences[number]
        if not self._floats[number]:
            return Comparison(difference)
        rare = self._rare.get(number, [(0, 0.0)] * 4)
        sums = [norms.total([(0, value), other], p) for value, other, p in zip(plain, rare, _SQUARED, strict=True)]
        nan, infinite = self._flags.get(number, ([False] * 3, [False] * 3))
        a, b, apart = (L2Norm(sums[at], nan[k], infinite[k]) for k, at in enumerate((0, 1, 3)))
        return Comparison(difference, a, b, sums[2], apart)


class _Compensated:
    """Sums of rows of four numbers, each with what rounding has lost of it (Neumaier 1974)."""

    def __init__(self) -> None:
        self._sums, self._lost = np.zeros((0, 4)), np.zeros((0, 4))

    def add(self, numbers: NDArray[np.intp], values: Wide) -> None:
        """Add a row to each of the sums with these numbers, each at most once."""
        if len(numbers) and (top := int(numbers.max())) >= len(self._sums):
            more = np.zeros((top + 1 - len(self._sums), 4))
            self._sums, self._lost = np.concatenate([self._sums, more]), np.concatenate([self._lost, more])
        before = self._sums[numbers]
        after = before + values
        larger = np.abs(before) >= np.abs(values)
        self._lost[numbers] += np.where(larger, (before - after) + values, (values - after) + before)
        self._sums[numbers] = after

    def result(self) -> Wide:
        """Return the sums."""
        return self._sums + self._lost


def _larger(one: Difference, other: Difference) -> Difference:
    """Merge the differences of two steps."""
    same, known = one.same and other.same, [r for r in (one.max_rel, other.max_rel) if r is not None]
    return Difference(same, _top([one.max_abs, other.max_abs]), _top(known) if known else None)


def _top(values: Sequence[float]) -> float:
    return math.nan if any(map(math.isnan, values)) else max(values)


def _unscaled(a: L2Norm, b: L2Norm, product: ScaledSum, distance: L2Norm) -> list[ScaledSum]:
    """Return the four sums divided by the loss scales, as values · 2^exponent, or for squares · 2^(2·exponent)."""
    (of_a, power_a), (of_b, power_b), (apart, power) = (math.frexp(one.scale) for one in (a, b, distance))
    return [
        (a.square[0] - power_a, a.square[1] / of_a / of_a),
        (b.square[0] - power_b, b.square[1] / of_b / of_b),
        (product[0] - power_a - power_b, product[1] / of_a / of_b),
        (distance.square[0] - power, distance.square[1] / apart / apart),
    ]


def _plain(found: ScaledSum, degree: float) -> float | None:
    """Return a sum as a plain number; None if that is beyond the range of float64, or near its ends."""
    exponent, value = found
    if not value:
        return 0.0
    try:
        plain = math.ldexp(value, int(degree) * exponent)
    except OverflowError:
        return None
    return plain if _LEAST < abs(plain) < _MOST else None
