"""Summaries of norms agree with the standard library's statistics."""

import math
import statistics

import numpy as np
import pytest

from gradclip_cli.thresholds.samples import NormSamples, median, summaries

VALUES = [3.0, 0.5, 12.25, 1.0, 7.5, 7.5, 0.0, 2.25, 100.0, 4.0, 9.0]


def percentile(values: list[float], q: float) -> float:
    """Linear interpolation between the two samples around the rank."""
    ordered, rank = sorted(values), (len(values) - 1) * q / 100
    low = math.floor(rank)
    high = min(low + 1, len(values) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (rank - low)


@pytest.mark.parametrize("count", [1, 2, 5, 11])
@pytest.mark.parametrize("scale", [1.0, 1e-300, 1e300])
def test_every_figure(count: int, scale: float) -> None:
    """Mean, population std, median, MAD, range and linear percentiles are right, at magnitudes whose squares overflow too."""
    values = VALUES[:count]
    middle = statistics.median(values)
    expected = {
        "mean": math.fsum(values) / count,
        "std": statistics.pstdev(values),
        "median": middle,
        "mad": statistics.median(abs(value - middle) for value in values),
        "min": min(values),
        "max": max(values),
        **{f"p{q}": percentile(values, q) for q in (90, 95, 99)},
    }
    found = NormSamples(value * scale for value in values).summary()
    assert (found.count, found.nonfinite) == (count, 0)
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value * scale, rel=1e-13, abs=0), name


def test_nonfinite_samples_are_counted_apart() -> None:
    """NaN and infinite samples are counted and left out of every figure."""
    found = NormSamples([1.0, math.nan, 3.0, math.inf]).summary()
    assert (found.count, found.nonfinite, found.mean, found.max) == (2, 2, 2.0, 3.0)


@pytest.mark.parametrize("values", [[], [math.nan, math.inf]])
def test_no_sample_has_no_figures(values: list[float]) -> None:
    """Without a finite sample every figure is NaN."""
    found = NormSamples(values).summary()
    assert (found.count, found.nonfinite) == (0, len(values))
    assert math.isnan(found.mean)
    assert math.isnan(found.min)
    assert math.isnan(found.p99)


def test_columns_are_summarised_apart() -> None:
    """Each column of a matrix has its own summary, a NaN in one leaves the others alone."""
    found = summaries(np.array([[1.0, 10.0, math.nan], [3.0, 30.0, 5.0]]))
    assert [(s.count, s.nonfinite, s.mean) for s in found] == [(2, 0, 2.0), (2, 0, 20.0), (1, 1, 5.0)]


@pytest.mark.parametrize(
    ("threshold", "epsilon", "rate"), [(7.5, 0.0, 3 / 11), (7.4, 0.0, 5 / 11), (7.5, 0.1, 5 / 11), (1000.0, 0.0, 0.0)]
)
def test_the_clip_rate_is_the_share_above(threshold: float, epsilon: float, rate: float) -> None:
    """A sample equal to the threshold is not clipped unless an epsilon lifts it above."""
    assert NormSamples(VALUES).clip_rate(threshold, epsilon) == pytest.approx(rate)


def test_energy_is_lost_above_the_threshold() -> None:
    """The share of the squared norm that clipping takes away: norms 3 and 4 cut to 3 lose 25 - 18 of 25."""
    assert NormSamples([3.0, 4.0]).energy_lost(3.0) == pytest.approx(7 / 25, rel=1e-15)
    assert NormSamples([3.0, 4.0]).energy_lost(4.0) == 0
    assert NormSamples([1e200, 1e-200]).energy_lost(1.0) == pytest.approx(1.0)
    assert NormSamples([0.0]).energy_lost(1.0) == 0


@pytest.mark.parametrize("value", [0.1, 0.7, 3.3, 1e-310, 7.1e300])
@pytest.mark.parametrize("count", [3, 7, 10, 999])
def test_no_figure_leaves_the_range_of_the_samples(value: float, count: int) -> None:
    """The mean, and every percentile, of equal or nearly equal norms lies between the smallest and the largest of them."""
    for values in ([value] * count, [value] * (count - 1) + [math.nextafter(value, math.inf)]):
        found = NormSamples(values).summary()
        for name in ("mean", "median", "p90", "p95", "p99"):
            assert found.min <= getattr(found, name) <= found.max, name
        assert found.min <= NormSamples(values).percentile(99.9) <= found.max


@pytest.mark.parametrize(
    ("values", "share"),
    [
        ([2.0] * 4, 1.0),
        ([2.0, 2.0 * (1 - 0.9e-5), 2.0 * (1 - 1.2e-5), 1.0], 0.5),
        ([2.0], 0.0),
        ([0.0] * 3, 0.0),
        ([], 0.0),
    ],
)
def test_how_many_are_as_large_as_the_largest(values: list[float], share: float) -> None:
    """Norms within 1e-5 of the largest are at the top; a lone norm, and zeros, tell nothing."""
    assert NormSamples([*values, math.inf]).at_the_top() == share


def test_many_columns_are_summarised_in_parts() -> None:
    """Of more samples than are summarised at a time, each column has the figures that it has alone."""
    matrix = np.exp(np.random.default_rng(5).standard_normal((2500, 450)))
    found = summaries(matrix)
    assert len(found) == 450
    for k in (0, 418, 419, 449):
        values = matrix[:, k].tolist()
        assert found[k].mean == pytest.approx(math.fsum(values) / 2500, rel=1e-15)
        assert found[k].std == pytest.approx(float(np.std(matrix[:, k])), rel=1e-12)
        assert (found[k].min, found[k].max, found[k].median) == (min(values), max(values), statistics.median(values))


@pytest.mark.parametrize(
    "values", [VALUES, VALUES[:4], [1.0], [math.inf, 1.0], [1.0, math.nan], [-math.inf, math.inf, 2.0, 1e308]]
)
def test_a_median_is_that_of_numpy(values: list[float]) -> None:
    """It has the same bits for odd and even counts, infinities and NaN; of nothing it is NaN, without a warning."""
    assert np.array_equal(median(values), np.median(values), equal_nan=True)
    assert math.isnan(median([]))
