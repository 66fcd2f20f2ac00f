"""What rose first before an explosion is named: in planted runs, the block that was planted."""

import math

import numpy as np
import pytest

from gradclip_cli.thresholds.norm_table import GroupName, NormTable
from gradclip_cli.thresholds.rises import Rise, first_rises, heights
from gradclip_cli.thresholds.samples import Mask, Matrix


def table(norms: Matrix, absent: Mask | None = None) -> NormTable:
    """Norms of blocks named by their numbers."""
    return NormTable([GroupName(f"blocks.{k}") for k in range(norms.shape[1])], norms, absent)


def run(steps: int = 60, blocks: int = 12, noise: float = 0.1) -> Matrix:
    """Norms of blocks of different sizes that fall and vary."""
    rng = np.random.default_rng(steps + blocks)
    level = (1 + 2 * np.exp(-np.arange(steps) / 10))[:, None] * np.linspace(0.1, 3, blocks)
    return level * np.exp(noise * rng.standard_normal((steps, blocks)))


def first(norms: Matrix, row: int, absent: Mask | None = None) -> Rise:
    """What rose first before the explosion at a step."""
    return first_rises(table(norms, absent), [row])[0]


def test_one_block_a_step_before_the_rest() -> None:
    """A block at 8 times its usual norm one step before all the others explode rose first, and stands at some 8 times."""
    norms = run()
    norms[40, 7] *= 8
    norms[41] *= 15
    found = first(norms, 41)
    assert (found.row, found.columns) == (40, (7,))
    assert found.times[0] == pytest.approx(norms[40, 7] / np.median(norms[20:40, 7]))
    assert not found.together


def test_two_blocks_at_once() -> None:
    """Two blocks that rise at the same step are both named, the higher one first."""
    norms = run()
    norms[38:41, 3] *= 6
    norms[38:41, 9] *= 12
    norms[41] *= 15
    found = first(norms, 41)
    assert (found.row, found.columns) == (38, (9, 3))
    assert found.times[0] > found.times[1] > 3


def test_a_slow_drift_is_not_first() -> None:
    """A block that drifts to 10 times its norm over 50 steps is never high by its neighbours: the explosion is another's."""
    norms = run()
    norms[10:, 5] *= np.exp(np.log(10) * np.arange(50) / 49)
    norms[41, 2] *= 60
    assert (first(norms, 41).row, first(norms, 41).columns) == (41, (2,))


def test_a_whole_that_rises_together() -> None:
    """Where every block rises at the same step by as much, none is named."""
    norms = run()
    norms[41] *= 15
    assert first(norms, 41) == Rise(41, (), ())
    assert first(norms, 41).together


def test_a_block_that_is_far_ahead_of_a_whole_that_rises() -> None:
    """Where all rise at the same step, one that rises four times as far is named."""
    norms = run()
    norms[41] *= 8
    norms[41, 4] *= 4
    assert (first(norms, 41).row, first(norms, 41).columns) == (41, (4,))


def test_an_earlier_rise_that_went_back_is_another_story() -> None:
    """A block that was high and fell back before the explosion did not begin it."""
    norms = run()
    norms[35, 1] *= 20
    norms[41, 2] *= 60
    assert (first(norms, 41).row, first(norms, 41).columns) == (41, (2,))


def test_a_warm_up_that_falls_is_not_high() -> None:
    """Blocks that start at 30 times their norm and fall within a few steps do not rise."""
    norms = run() * (1 + 30 * np.exp(-np.arange(60) / 2))[:, None]
    assert first_rises(table(norms), range(60)) == [Rise(row, (), ()) for row in range(60)]


def test_nan_before_the_explosion() -> None:
    """A block that goes NaN before anything is high comes first, however high others are later."""
    norms = run()
    norms[40, 6] = math.nan
    norms[41, 2] *= 60
    assert first(norms, 41) == Rise(40, (6,), (math.inf,))
    assert first(norms, 40) == Rise(40, (6,), (math.inf,))


def test_what_rose_before_a_nan() -> None:
    """Before the step that is not finite, the block that was high is named, not those that went NaN after it."""
    norms = run()
    norms[51, 8] *= 9
    norms[52] = math.nan
    assert (first(norms, 52).row, first(norms, 52).columns) == (51, (8,))


def test_a_block_that_some_steps_lack() -> None:
    """A block is held against the steps that have it, and is not high where it is absent."""
    norms = run()
    absent = np.zeros(norms.shape, np.bool_)
    absent[::3, 7] = absent[40, 3] = True
    norms[absent] = 0
    norms[40, 7] *= 8
    norms[41] *= 15
    found = first(norms, 41, absent)
    assert (found.row, found.columns) == (40, (7,))


def test_a_run_of_five_steps() -> None:
    """Five steps are enough: the block that rises at the fourth is named, its neighbours being the three before and one after."""
    norms = run(5, 6, 0.03)
    norms[3, 2] *= 9
    norms[4] *= 15
    assert (first(norms, 4).row, first(norms, 4).columns) == (3, (2,))


def test_noisy_small_blocks_do_not_count() -> None:
    """Of 300 blocks that vary by a third, none is named before an explosion of all in 19 of 20 runs."""
    together = 0
    for seed in range(20):
        norms = np.exp(0.33 * np.random.default_rng(seed).standard_normal((60, 300)))
        norms[41] *= 15
        together += first(norms, 41).row == 41
    assert together >= 19


def test_one_group_is_the_whole() -> None:
    """The only group is named where it explodes."""
    norms = np.array([[1.0]] * 9 + [[20.0]])
    assert first(norms, 9) == Rise(9, (0,), (20.0,))


def test_heights() -> None:
    """Blocks are ranked by their largest norm over their own median of all steps; a median of 0 tells nothing, and comes last."""
    norms = np.array([[1.0, 5.0, 0.0, math.nan], [2.0, 4.0, 0.0, math.nan], [9.0, 6.0, 1.0, math.nan]])
    found = heights(table(norms))
    assert [tuple(one) for one in found] == [(0, 2.0, 9.0, 2, 4.5), (1, 5.0, 6.0, 2, 1.2), (2, 0.0, 1.0, 2, None)]
