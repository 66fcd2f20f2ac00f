"""Report the values of one tensor: extremes, signs, percentiles, bins, and what narrower dtypes would lose."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.engine.tensor_counts import Extreme, TensorValues, Where
from gradclip_cli.numerics.bands import TARGETS, band_of
from gradclip_cli.numerics.exponents import at_rank, edge
from gradclip_cli.numerics.statistics import TensorStats
from gradclip_cli.numerics.value_counts import Levels, ValueCounts
from gradclip_cli.reports.show import ShowBand, ShowBin, ShowPercentile, ShowPlace, ShowValues

PERCENTS = (0.1, 1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0, 99.9)
"""The percentiles that are reported."""


class Values(NamedTuple):
    """The parts of the report that are about the values of one tensor, under its names."""

    values: ShowValues
    percentiles: list[ShowPercentile]
    bands: list[ShowBand]
    bins: list[ShowBin]


def values_of(name: str, found: TensorValues, dump: MeasuredDump, indices: Sequence[int]) -> Values:
    """Report the counts of a tensor, given by its pieces, in true units: divided by the loss scale of the dump."""
    stats, scale = dump.stats.merge_groups([indices], (2.0,))[0], dump.stats.scale
    signed = not any(dump.tensors[index].dtype.is_complex for index in indices)
    return Values(
        _values(name, found, stats, signed),
        _percentiles(found, stats),
        [
            ShowBand(dtype.name, *band_of(dtype), *counts)
            for dtype, counts in zip(TARGETS, found.counts.bands.tolist(), strict=True)
        ],
        _bins(found.counts, scale, signed),
    )


def _values(name: str, found: TensorValues, stats: TensorStats, signed: bool) -> ShowValues:
    counts, finite = found.counts, stats.elements - stats.nonfinite
    positive, negative = counts.bins.sum(axis=1).tolist() if signed else (None, None)
    return ShowValues(
        name,
        positive,
        negative,
        stats.zeros,
        stats.nan,
        stats.posinf,
        stats.neginf,
        counts.subnormal,
        stats.max_abs if finite else None,
        _place(found.largest and found.largest.where),
        _value(found.smallest, stats.scale),
        _place(found.smallest and found.smallest.where),
        _place(found.nan_at),
        _place(found.inf_at),
    )


def _place(where: Where | None) -> ShowPlace | None:
    return None if where is None else ShowPlace(where.place, where.file)


def _value(found: Extreme | None, scale: float) -> float | None:
    return None if found is None else found.value / scale


def _percentiles(found: TensorValues, stats: TensorStats) -> list[ShowPercentile]:
    """Return percentiles of |g|: exact from levels, else the bins that hold them, as far as the extremes leave them open."""
    if found.largest is None or found.smallest is None:
        return [ShowPercentile(percent, 0.0, 0.0) for percent in PERCENTS] if stats.zeros else []
    if (levels := found.counts.levels) is not None:
        return [_exact(percent, levels, stats.scale) for percent in PERCENTS]
    counts = found.counts.bins.sum(axis=0)
    lowest, highest = found.smallest.value, found.largest.value
    rows = []
    for percent in PERCENTS:
        place = at_rank(np.concatenate([[stats.zeros], counts]), percent / 100)
        low, high = (0.0, 0.0) if place == 0 else (max(edge(place - 1), lowest), min(edge(place), highest))
        rows.append(ShowPercentile(percent, low / stats.scale, high / stats.scale))
    return rows


def _exact(percent: float, levels: Levels, scale: float) -> ShowPercentile:
    value = float(levels.values[at_rank(levels.counts, percent / 100)]) / scale
    return ShowPercentile(percent, value, value)


def _bins(counts: ValueCounts, scale: float, signed: bool) -> list[ShowBin]:
    """Return the bins from the first to the last that holds any element."""
    present = np.flatnonzero(counts.bins.any(axis=0))
    if not present.size:
        return []
    first, last = int(present[0]), int(present[-1])
    rows = []
    for k, (positive, negative) in enumerate(counts.bins[:, first : last + 1].T.tolist(), first):
        either = (positive, negative) if signed else (None, None)
        rows.append(ShowBin(edge(k) / scale, min(edge(k + 1) / scale, math.inf), positive + negative, *either))
    return rows
