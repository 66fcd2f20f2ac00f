"""The step that stands out of a series is told by the group that is farthest above what is usual for it."""

import math

import numpy as np

from gradclip_cli.commands.stats.spikes import spikes, spread_sentence
from gradclip_cli.commands.stats.wording import shell_path, step_name
from gradclip_cli.thresholds.advised import explosions_in
from gradclip_cli.thresholds.norm_table import GroupName, NormTable, SeriesNorms, Step


def series(norms: list[list[float]]) -> SeriesNorms:
    """Norms of layers `a`, `b` and so on, at the steps 0, 1, 2."""
    matrix = np.array(norms)
    layers = NormTable([GroupName(name) for name in "abc"[: matrix.shape[1]]], matrix)
    total = NormTable([GroupName()], np.hypot.reduce(matrix, axis=1)[:, None])
    return SeriesNorms([Step(f"{k}.npz", k) for k in range(len(norms))], total, layers, layers, layers, layers)


def test_the_group_that_is_farthest_above_its_median() -> None:
    """A layer that explodes is named with its norm and how often that is its median."""
    norms = series([[1.0, 10.0]] * 11 + [[50.0, 11.0], [1.0, 10.0]])
    found = spikes(norms, norms.layers, explosions_in(norms.layers))
    spike = found[11]
    assert (spike.step.number, spike.where, spike.value, spike.times, spike.explodes) == (11, "a", 50.0, 50.0, True)
    assert [one.explodes for one in found].count(True) == 1


def test_a_step_without_a_finite_norm_has_no_spike() -> None:
    """Steps in which nothing is finite are passed over."""
    norms = series([[1.0], [math.nan], [2.0]])
    assert [spike.step.number for spike in spikes(norms, norms.total, explosions_in(norms.total))] == [0, 2]


def test_norms_that_fall() -> None:
    """Norms over orders of magnitude are told by their halves; those that stay are not told of."""
    falling = series([[10.0 ** (2 - k)] for k in range(10)])
    assert (spread_sentence(falling, falling.total) or "").startswith("the norms fall from 1 to 1e-05 (medians")
    steady = series([[1.0 + k / 10] for k in range(10)])
    assert spread_sentence(steady, steady.total) is None


def test_what_a_step_is_called() -> None:
    """A step is called by its number, or else by its first file; what a shell could not read is quoted, or FILE."""
    assert [step_name(Step("a b.npz", 7)), step_name(Step(["x.npz", "y.npz"], None))] == ["step 7", "x.npz"]
    assert [shell_path(Step(path, None)) for path in ("a b.npz", "a\nb", ["x", "y"])] == ["'a b.npz'", "FILE", "FILE"]
