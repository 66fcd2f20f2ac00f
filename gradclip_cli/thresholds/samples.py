"""Summarise samples of norms, of one group or of several."""

import math
from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.lazy_rows import LazyRows
from gradclip_cli.thresholds.base import PERCENTILES, Summary, between
from gradclip_cli.thresholds.exact_sums import WIDE, column_sums, exact_sum

Matrix = NDArray[np.float64]
Mask = NDArray[np.bool_]

ALIKE = 1e-5
"""Norms with a relative difference up to this are equal except for the rounding of float32 elements."""

_AT_ONCE = 1 << 20
"""The number of samples, of several columns, that are summarised at a time: each takes the memory of several copies."""

_FIGURES = len(Summary._fields) - 2


def median(values: Matrix | Sequence[float]) -> float:
    """Return the median of some values, NaN if any is NaN or there is none: that of `np.median`, which imports all of `numpy.ma`.

    >>> median([3.0, 1.0, 2.0, 10.0])
    2.5
    """
    ordered = np.sort(np.asarray(values, np.float64), axis=None)
    if not ordered.size or np.isnan(ordered[-1]):
        return math.nan
    return float(np.mean(ordered[(ordered.size - 1) // 2 : ordered.size // 2 + 1]))


class NormSamples:
    """Norms of one or more groups, whose order does not matter; `finite` holds the finite ones, the others are only counted."""

    def __init__(self, values: Iterable[float] | Matrix) -> None:
        every = np.asarray(values if isinstance(values, np.ndarray) else list(values), np.float64).reshape(-1)
        known = np.isfinite(every)
        self.finite = every if known.all() else every[known]
        self.nonfinite = len(every) - len(self.finite)

    def summary(self) -> Summary:
        """Return the summary of the samples, which is computed once."""
        return self._summary

    @cached_property
    def _summary(self) -> Summary:
        return _summarised(self.finite[:, None], self.nonfinite)[0]

    def percentile(self, percent: float) -> float:
        """Return a percentile (0 to 100) of the finite samples, interpolated linearly."""
        return float(_percentile(self._ordered, percent))

    @cached_property
    def _ordered(self) -> Matrix:
        return np.sort(self.finite)

    @cached_property
    def _top(self) -> float:
        return float(self.finite.max(initial=0))

    @cached_property
    def _squares(self) -> float:
        """Σ (n / max n)² over the finite samples: scaled, so that no square overflows."""
        return exact_sum(self.finite, lambda part: np.square(part / self._top))

    def above_zero(self) -> "NormSamples":
        """Return the finite samples above 0."""
        return NormSamples(self.finite[self.finite > 0])

    def clip_rate(self, threshold: float, epsilon: float = 0.0) -> float:
        """Return the share of finite samples that are above `threshold` once `epsilon` is added."""
        return np.count_nonzero(self.finite + epsilon > threshold) / len(self.finite)

    def energy_lost(self, threshold: float) -> float:
        """Return 1 - Σ min(n, c)² / Σ n² over the finite samples, c the threshold: the share of squared norm that clipping removes."""
        if not self._top:
            return 0.0
        most = threshold / self._top
        return 1 - exact_sum(self.finite, lambda part: np.square(np.minimum(part / self._top, most))) / self._squares

    def at_the_top(self) -> float:
        """Return the share of finite samples that equal the largest except for rounding; 0 if there are fewer than two."""
        if len(self.finite) < 2 or not self._top:
            return 0.0
        return np.count_nonzero(self.finite >= self._top / (1 + ALIKE)) / len(self.finite)


def summaries(matrix: Matrix) -> Sequence[Summary]:
    """Summarise each column of `matrix` (samples × columns); summaries are computed when they are accessed."""
    finite = np.isfinite(matrix)
    if finite.all():
        return _summarised(matrix)
    return [
        _summarised(column[kept, None], int((~kept).sum()))[0] for column, kept in zip(matrix.T, finite.T, strict=True)
    ]


def _summarised(matrix: Matrix, nonfinite: int = 0) -> Sequence[Summary]:
    """Summarise columns of finite samples, scaled by a power of two so that no square overflows.

    `column_sums` adds; the mean, the deviations from it and their squares are rounded.
    """
    count, columns = matrix.shape
    if not count:
        return [Summary(0, nonfinite, *(math.nan,) * 9)] * columns
    if count == 1:
        return LazyRows(lambda norm: _of_one(float(norm), nonfinite), matrix[0])
    each = max(1, _AT_ONCE // count)
    rows = np.empty((columns, _FIGURES))
    for start in range(0, columns, each):
        rows[start : start + each] = _figures(matrix[:, start : start + each], wide=columns >= WIDE)
    return LazyRows(lambda k: Summary(count, nonfinite, *rows[k].tolist()), range(columns))


def _figures(matrix: Matrix, *, wide: bool) -> Matrix:
    """Return the figures of a summary for each column (columns × figures); columns are added as those of a wide matrix, or not."""
    count = len(matrix)
    _, powers = np.frexp(np.abs(matrix).max(axis=0, initial=0))
    scaled = np.ldexp(matrix, -powers)
    ordered = np.sort(scaled, axis=0)
    median = _percentile(ordered, 50.0)
    # Rounding may put the mean of equal numbers outside their range.
    mean = np.clip(column_sums(ordered, wide=wide) / count, ordered[0], ordered[-1])
    std = np.sqrt(column_sums(np.square(ordered - mean), wide=wide) / count)
    figures = [
        *(mean, std, median),
        _percentile(np.sort(np.abs(scaled - median), axis=0), 50.0),
        *(ordered[0], ordered[-1]),
        *(_percentile(ordered, percent) for percent in PERCENTILES),
    ]
    found: Matrix = np.ldexp(np.array(figures), powers).T
    return found


def _of_one(value: float, nonfinite: int) -> Summary:
    return Summary(1, nonfinite, value, 0.0, value, 0.0, value, value, value, value, value)


def _percentile(ordered: Matrix, percent: float) -> Matrix:
    """Interpolate linearly between the two nearest sorted rows, as numpy does by default."""
    low, high, share = between(len(ordered), percent)
    found: Matrix = np.minimum(ordered[low] + share * (ordered[high] - ordered[low]), ordered[high])
    return found
