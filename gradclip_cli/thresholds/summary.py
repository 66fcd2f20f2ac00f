"""Summaries of samples: mean, spread and percentiles of norms over steps."""

import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from gradclip_cli.lazy_rows import Rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PERCENTILES = (90.0, 95.0, 99.0)

ALIKE = 1e-5
"""Norms that differ by so much of themselves are equal but for the rounding of float32 elements."""


class Summary(NamedTuple):
    """Figures of the finite samples (NaN where there is none); `nonfinite` counts the others, `std` is the population's."""

    count: int  # type: ignore[assignment]  # nobody counts the figures that are equal
    nonfinite: int
    mean: float
    std: float
    median: float
    mad: float
    min: float
    max: float
    p90: float
    p95: float
    p99: float


class Samples:
    """Norms that a strategy would compare with its threshold: of one step after the other, each with as many groups."""

    def __init__(self, values: "Iterable[float] | NDArray[np.float64]", groups: int = 1) -> None:
        import numpy as np

        self._all = np.asarray(values if isinstance(values, np.ndarray) else list(values), np.float64).reshape(-1)
        self._groups = groups
        self.finite = self._all[np.isfinite(self._all)]
        self.nonfinite = len(self._all) - len(self.finite)

    @property
    def steps(self) -> "NDArray[np.float64]":
        """All samples, steps × groups."""
        return self._all.reshape(-1, self._groups)

    def summary(self) -> Summary:
        """Summarise the samples."""
        return self._summary

    @cached_property
    def _summary(self) -> Summary:
        return summaries(self._all[:, None])[0]

    def percentile(self, percent: float) -> float:
        """Return a percentile of the finite samples, interpolated linearly."""
        return float(_percentile(self._ordered, percent))

    @cached_property
    def _ordered(self) -> "NDArray[np.float64]":
        import numpy as np

        return np.sort(self.finite)

    def clip_rate(self, threshold: float, epsilon: float = 0.0) -> float:
        """Return the share of finite samples that are above `threshold` once `epsilon` is added."""
        import numpy as np

        return np.count_nonzero(self.finite + epsilon > threshold) / len(self.finite)

    def mean_factor(self, threshold: float, epsilon: float = 0.0) -> float:
        """Return the mean of min(1, c / (n + epsilon)) over the finite samples."""
        import numpy as np

        from gradclip_cli.thresholds.exact_sums import exact_sum

        lengths = self.finite + epsilon
        return exact_sum(threshold / np.maximum(lengths, threshold)) / len(lengths)

    def energy_lost(self, threshold: float) -> float:
        """Return 1 - Σ min(n, c)² / Σ n² over the finite samples: the share of the squared norm that is clipped away."""
        import numpy as np

        from gradclip_cli.thresholds.exact_sums import exact_sum

        top = self.finite.max(initial=0)
        if not top:
            return 0.0
        scaled = self.finite / top
        kept = np.minimum(scaled, threshold / top)
        return 1 - exact_sum(np.square(kept)) / exact_sum(np.square(scaled))

    def at_the_top(self) -> float:
        """Return the share of several finite samples that are as large as the largest, but for rounding; 0 of a lone one."""
        top = float(self.finite.max(initial=0))
        if len(self.finite) < 2 or not top:
            return 0.0
        import numpy as np

        return np.count_nonzero(self.finite >= top / (1 + ALIKE)) / len(self.finite)

    def longest_run(self, threshold: float, epsilon: float = 0.0) -> int:
        """Return the most steps on end in each of which something finite is above `threshold`."""
        import numpy as np

        above = np.isfinite(self.steps) & (self.steps + epsilon > threshold)
        steps: list[bool] = [bool(row.any()) for row in above]
        return max((sum(1 for _ in run) for clipped, run in groupby(steps) if clipped), default=0)


def summaries(matrix: "NDArray[np.float64]") -> Sequence[Summary]:
    """Summarise each column of `matrix` (samples × columns); summaries are made when they are looked at."""
    import numpy as np

    finite = np.isfinite(matrix)
    if finite.all():
        return _summarised(matrix)
    return [
        _summarised(column[kept, None], int((~kept).sum()))[0] for column, kept in zip(matrix.T, finite.T, strict=True)
    ]


def _summarised(matrix: "NDArray[np.float64]", nonfinite: int = 0) -> Sequence[Summary]:
    """Summarise columns of finite samples, scaled by a power of two so that no square overflows.

    Sums are those of `column_sums`; the mean is rounded, and so are deviations from it and their squares.
    """
    import numpy as np

    from gradclip_cli.thresholds.exact_sums import column_sums

    count, columns = matrix.shape
    if not count:
        return [Summary(0, nonfinite, *(math.nan,) * 9)] * columns
    if count == 1:
        return Rows(lambda k: _of_one(matrix.item(0, k), nonfinite), range(columns))
    _, powers = np.frexp(np.abs(matrix).max(axis=0, initial=0))
    scaled = np.ldexp(matrix, -powers)
    ordered = np.sort(scaled, axis=0)
    median = _percentile(ordered, 50.0)
    # The mean of equal numbers may be rounded away from them.
    mean = np.clip(column_sums(ordered) / count, ordered[0], ordered[-1])
    figures = [
        mean,
        np.sqrt(column_sums(np.square(ordered - mean)) / count),
        median,
        _percentile(np.sort(np.abs(scaled - median), axis=0), 50.0),
        ordered[0],
        ordered[-1],
        *(_percentile(ordered, percent) for percent in PERCENTILES),
    ]
    rows = np.ldexp(np.array(figures), powers).T
    return Rows(lambda k: Summary(count, nonfinite, *rows[k].tolist()), range(columns))


def _of_one(value: float, nonfinite: int) -> Summary:
    return Summary(1, nonfinite, value, 0.0, value, 0.0, value, value, value, value, value)


def _percentile(ordered: "NDArray[np.float64]", percent: float) -> "NDArray[np.float64]":
    """Interpolate linearly between the two nearest of the sorted rows, as numpy does by default."""
    import numpy as np

    low, high, share = between(len(ordered), percent)
    found: NDArray[np.float64] = np.minimum(ordered[low] + share * (ordered[high] - ordered[low]), ordered[high])
    return found


def between(count: int, percent: float) -> tuple[int, int, float]:
    """Return between which two of `count` sorted samples a percentile lies, and how far from the first to the second.

    >>> between(5, 90.0)
    (3, 4, 0.6000000000000001)
    """
    at = percent / 100 * (count - 1)
    low = int(at)
    return low, min(low + 1, count - 1), at - low
