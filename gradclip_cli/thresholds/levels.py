"""Measure the level of norms and how much they vary, so that a few outliers move neither; NaN marks a norm that is not there."""

import math

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.thresholds.base import DEVIATION
from gradclip_cli.thresholds.samples import Mask, Matrix, median

_BLOCK = 1 << 20
"""The number of values that running medians sort at a time."""


class Packed:
    """Norms (steps × groups) without the gaps: row k has the k-th norm of each group that is taken; NaN fills the end."""

    def __init__(self, norms: Matrix, taken: Mask) -> None:
        self._order = None if taken.all() else np.argsort(~taken, axis=0, kind="stable")
        known = norms if self._order is None else np.where(taken, norms, np.nan)
        self.values: Matrix = known if self._order is None else np.take_along_axis(known, self._order, axis=0)

    def rows_of(self, packed: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the steps at which packed rows of these columns stand."""
        return packed if self._order is None else self._order[packed, columns]

    def mask(self, packed: Mask) -> Mask:
        """Put a mask of packed rows back at their steps."""
        if self._order is None:
            return packed
        found = np.zeros_like(packed)
        np.put_along_axis(found, self._order, packed, axis=0)
        return found

    def matrix(self, packed: Matrix) -> Matrix:
        """Put values of packed rows back at their steps; 0 where no norm is taken."""
        if self._order is None:
            return packed
        found = np.zeros_like(packed)
        np.put_along_axis(found, self._order, np.where(np.isnan(self.values), 0.0, packed), axis=0)
        return found


def medians(values: Matrix) -> Matrix:
    """Return the median of each column, leaving out NaN; NaN if nothing is left.

    >>> medians(np.array([[1.0, np.nan], [4.0, np.nan], [np.nan, np.nan]])).tolist()
    [2.5, nan]
    """
    if not len(values):
        return np.full(values.shape[1], np.nan)
    ordered = np.sort(values, axis=0)  # NaN is sorted last
    counts = np.maximum(np.count_nonzero(~np.isnan(values), axis=0), 1)
    low, high = (np.take_along_axis(ordered, middle[None], axis=0)[0] for middle in ((counts - 1) // 2, counts // 2))
    return _halfway(low, high)


def running_medians(values: Matrix, window: int) -> Matrix:
    """Return the medians of `window` rows in succession, of shape (rows - window + 1, columns); NaN where one of them is.

    >>> running_medians(np.array([[1.0], [5.0], [2.0], [9.0]]), 3).tolist()
    [[2.0], [5.0]]
    """
    rows, columns = max(0, len(values) - window + 1), values.shape[1]
    found = np.empty((rows, columns))
    each = max(1, _BLOCK // max(1, rows * window))
    for start in range(0, columns if rows else 0, each):
        part = values[:, start : start + each]
        ordered = np.sort(np.lib.stride_tricks.sliding_window_view(part, window, axis=0), axis=-1)
        low, high = ordered[..., (window - 1) // 2], ordered[..., window // 2]
        found[:, start : start + each] = np.where(np.isnan(ordered[..., -1]), np.nan, _halfway(low, high))
    return found


def spreads(values: Matrix) -> Matrix:
    """Return the standard deviation of each column, estimated by the median difference of neighbours: a trend adds nothing to it.

    NaN where there are no two neighbours.
    """
    return medians(np.abs(np.diff(values, axis=0))) * (DEVIATION / math.sqrt(2))


def deviations(values: Matrix) -> Matrix:
    """Return the standard deviation of each column of values about 0, estimated by the median of their sizes."""
    return medians(np.abs(values)) * DEVIATION


def median_error(*counts: int) -> float:
    """Return the standard error of the difference of two medians of so many values each, in standard deviations of a value.

    >>> round(median_error(5, 5), 3)
    0.793
    """
    return 1.2533 * math.sqrt(sum(1 / count for count in counts))


def misfit(points: Matrix, shape: Matrix) -> float:
    """Return the mean distance of a vector of points from a shape (0 to 1) whose height is fitted by medians."""
    low = median(points[shape <= shape.min()])
    upper = shape > 0.3
    height = median((points[upper] - low) / shape[upper])
    return float(np.abs(points - low - height * shape).mean())


def logs(values: Matrix) -> Matrix:
    """Return natural logarithms; NaN for what is not above 0 or not finite."""
    positive = np.where((values > 0) & np.isfinite(values), values, np.nan)
    found: Matrix = np.log(positive)
    return found


def _halfway(low: Matrix, high: Matrix) -> Matrix:
    """Return the middle between two numbers, which may both be infinite, without an overflow."""
    with np.errstate(invalid="ignore"):
        middle: Matrix = np.where(low == high, low, low + (high - low) / 2)
    return middle
