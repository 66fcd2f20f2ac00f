"""What narrow dtypes make of the elements of a run: where their bands lie, and how many elements are in which."""

import math
from typing import NamedTuple

import numpy as np

from gradclip_cli.numerics.bands import TARGETS, band_of
from gradclip_cli.render.html.picture import NumberTable
from gradclip_cli.reports.values import Magnitudes
from gradclip_cli.text import percent

_MOST_LAYERS = 200
"""Layers of the table at most."""


class Limit(NamedTuple):
    """Where a band of a dtype begins or ends, as a power of two."""

    dtype: str
    what: str
    at: float


def limits() -> list[Limit]:
    """Return what bounds the bands of narrow dtypes: below the first, elements become 0; below the second, they lose digits.

    >>> [(one.what, one.at) for one in limits() if one.dtype == "float16"]
    [('0 below', -25.0), ('subnormal below', -14.0), ('overflow from', 16.0)]
    """
    found = []
    for dtype in TARGETS:
        band = band_of(dtype)
        ends = (("0 below", band.lost), ("subnormal below", band.subnormal), ("overflow from", band.largest))
        found += [Limit(dtype.name, what, round(math.log2(end), 1)) for what, end in ends]
    return found


class InBands(NamedTuple):
    """Shares of the elements above 0 that become 0 in a dtype, that are subnormal there, and that overflow."""

    dtype: str
    lost: float
    subnormal: float
    over: float


def in_bands(counted: Magnitudes) -> list[InBands]:
    """Return what narrow dtypes make of all elements; a limit within a power of two counts that where most of it lies."""
    counts = counted.counts.sum(axis=0)
    middles, total, found = counted.least + np.arange(len(counts)) + 0.5, max(1, int(counts.sum())), []
    for dtype in TARGETS:
        lost, small, large = (math.log2(limit) for limit in band_of(dtype))
        parts = (middles < lost, (middles >= lost) & (middles < small), middles > large)
        found.append(InBands(dtype.name, *(float(counts[part].sum() / total) for part in parts)))
    return found


def bands_table(counted: Magnitudes) -> NumberTable:
    """Return what narrow dtypes make of all elements, a row for each dtype."""
    rows = [
        [one.dtype, percent(one.lost, 2), percent(one.subnormal, 2), percent(one.over, 2)] for one in in_bands(counted)
    ]
    heads = ["dtype", "would become 0", "would be subnormal", "would overflow"]
    return NumberTable("Elements above 0 in narrow dtypes, counted by powers of two", heads, rows)


def layers_table(counted: Magnitudes) -> NumberTable:
    """Return where the elements of each layer are, and how many are 0 or not finite."""
    rows = []
    for k, name in enumerate(counted.names):
        counts = counted.counts[k]
        there = np.flatnonzero(counts).tolist()
        total = int(counts.sum() + counted.zeros[k] + counted.nonfinite[k])
        ends = (
            [
                f"2^{counted.least + there[0]}",
                f"2^{counted.least + int(counts.argmax())}",
                f"2^{counted.least + there[-1]}",
            ]
            if there
            else ["-"] * 3
        )
        rows.append([name, *ends, percent(int(counted.zeros[k]) / max(1, total), 1), f"{int(counted.nonfinite[k]):,}"])
    cut = f" (the first {_MOST_LAYERS} of {len(rows):,})" if len(rows) > _MOST_LAYERS else ""
    heads = ["layer", "smallest from", "most from", "largest from", "zeros", "not finite"]
    return NumberTable(f"Magnitudes by layer{cut}", heads, rows[:_MOST_LAYERS])


def sentence_of(counted: Magnitudes) -> str:
    """Say how far elements above 0 reach, and what the first narrow dtype makes of them."""
    counts = counted.counts.sum(axis=0)
    there = np.flatnonzero(counts).tolist()
    low, high, middle = (counted.least + k for k in (there[0], there[-1] + 1, int(counts.argmax())))
    first = in_bands(counted)[0]
    lost, small, over = percent(first.lost), percent(first.subnormal), percent(first.over)
    reach = f"Elements above 0 reach from 2^{low} to 2^{high}, most of them near 2^{middle}"
    return f"{reach}; in {first.dtype}, {lost} would become 0, {small} be subnormal and {over} overflow."
