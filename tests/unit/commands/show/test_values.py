"""The values of a tensor are reported in true units, from counts as stored."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from support.tensors import dump_of

from gradclip_cli.commands.show.values import PERCENTS, Values, values_of
from gradclip_cli.engine.tensor_counts import Extreme, TensorValues, Where
from gradclip_cli.numerics.dtypes import from_numpy
from unit.numerics.counted import count


def values(array: NDArray[Any], scale: float = 1.0) -> Values:
    """Report an array of one axis."""
    counts = count(array, from_numpy(array.dtype))
    ends = [one and Extreme(one.value, Where(one.place)) for one in (counts.largest, counts.smallest)]
    firsts = [None if place is None else Where(place) for place in (counts.nan_at, counts.inf_at)]
    dump = dump_of({"w": array})
    dump.__dict__["stats"] = dump.stats.scaled(scale)
    return values_of("w", TensorValues(counts, ends[0], ends[1], firsts[0], firsts[1]), dump, [0])


def test_bins_go_from_the_smallest_to_the_largest() -> None:
    """The bins between the extremes are listed, those in between that are empty too, with both signs."""
    found = values(np.array([1, 1.1, -1.2, 1.5, 0], np.float32)).bins
    assert [(one.low, one.high, one.count, one.positive, one.negative) for one in found] == [
        (1.0, 1.125, 2, 2, 0),
        (1.125, 1.25, 1, 0, 1),
        (1.25, 1.375, 0, 0, 0),
        (1.375, 1.5, 0, 0, 0),
        (1.5, 1.625, 1, 1, 0),
    ]


def test_percentiles_of_few_magnitudes_are_exact() -> None:
    """Floats of 16 bits give exact percentiles; others the bin that holds it, no further than the extremes."""
    array = np.arange(1, 101)
    exact = values(array.astype(np.float16)).percentiles
    assert [(one.percent, one.low, one.high) for one in exact if one.percent in (1, 50, 99)] == [
        (1, 1, 1),
        (50, 50, 50),
        (99, 99, 99),
    ]
    binned = {one.percent: (one.low, one.high) for one in values(array.astype(np.float32)).percentiles}
    assert (binned[0.1], binned[50.0], binned[99.9]) == ((1, 1.125), (48, 52), (96, 100))


def test_zeros_count_in_percentiles() -> None:
    """Zeros are the lowest magnitudes, and all percentiles where there is nothing else."""
    assert {one.percent: one.low for one in values(np.array([0, 0, 0, 4], np.float32)).percentiles}[75.0] == 0
    assert [(one.low, one.high) for one in values(np.zeros(3, np.float32)).percentiles] == [(0, 0)] * len(PERCENTS)
    assert values(np.full(2, np.nan, np.float32)).percentiles == []


def test_figures_are_divided_by_the_loss_scale() -> None:
    """Extremes, percentiles and the edges of bins are of the elements without their loss scale."""
    found = values(np.array([8, -4, 0], np.float16), scale=4.0)
    assert (found.values.max_abs, found.values.min_abs) == (2.0, 1.0)
    assert (found.bins[0].low, found.bins[-1].high) == (1.0, 2.25)
    assert found.percentiles[-1].low == 2.0


def test_what_is_not_finite_has_its_first_place() -> None:
    """NaN and infinities are counted, and the first of either is named; without a finite element there are no extremes."""
    found = values(np.array([np.inf, np.nan, -np.inf, np.nan], np.float32)).values
    assert (found.nan, found.posinf, found.neginf, found.max_abs) == (2, 1, 1, None)
    assert found.nan_at is not None
    assert found.inf_at is not None
    assert (found.nan_at.index, found.inf_at.index) == ((1,), (0,))
