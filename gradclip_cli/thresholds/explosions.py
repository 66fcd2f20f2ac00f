"""Define when norms explode, for `check` and for `stats`: by their neighbours, not by the whole run.

A norm explodes if it is above `factor` times the median of its neighbours: the up to 20 norms before it, without those that
exploded themselves. Where fewer than 5 of 20 are left, all 20 count, so what stays up for some 16 steps is the new level. Near
the start, where fewer than 5 stand before a norm, those after it make up the number.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.thresholds.levels import Packed, deviations, logs, medians, running_medians, spreads
from gradclip_cli.thresholds.samples import Mask, Matrix, median

NEIGHBOURS = 20
"""How many norms before a norm are its neighbours."""

FEWEST = 5
"""The fewest neighbours: those after a norm make up the number near the start; so many explosions in a row last."""

RISE = 3.0
"""An exploding norm is also above so many times the lowest norm before it: a run that starts high and falls does not explode."""

DEVIATIONS = 4.0
"""Parts of dumps explode only so many standard deviations above their usual norms: norms of small layers vary a lot."""

_START = 10
"""In so many first steps, a part of a dump must be far above the median of these, too: layers rise and fall at the start."""


class Explosions(NamedTuple):
    """Which norms explode, and the median of the neighbours of each, 0 where it has none or is not taken (steps × groups).

    `since` has the first step of the first 5 explosions in a row of each group, -1 if there are none.
    """

    steps: Mask
    usual: Matrix
    since: NDArray[np.intp]


def explosions(norms: Matrix, taken: Mask, factor: float, enough: int, *, parts: bool = False) -> Explosions:
    """Find norms (steps × groups) above `factor` times the median of their neighbours, and above 3 times the lowest before.

    Only the norms in `taken` are used, and only groups with at least `enough` of them are judged. If the groups are `parts` of
    dumps, their first 10 norms must also be above `factor` times the median of those, and all of them beyond the noise of their
    group: by 4 standard deviations, on a logarithmic scale.
    """
    packed = Packed(norms, taken)
    known = packed.values
    usual = _neighbours(known)
    with np.errstate(invalid="ignore", over="ignore"):
        judged = (taken.sum(axis=0) >= enough) & (known > RISE * _lowest_before(known))
        if parts:
            judged[:_START] &= known[:_START] > factor * medians(known[:_START])
        steps = _exploding(known, usual, judged, factor)
    if parts:
        columns = np.flatnonzero(np.logical_or.reduce(steps, axis=0))
        steps[:, columns] &= beyond_noise(known[:, columns], usual[:, columns], steps[:, columns])
    return Explosions(packed.mask(steps), packed.matrix(np.nan_to_num(usual, posinf=np.inf)), _since(steps, packed))


def _lowest_before(known: Matrix) -> Matrix:
    """Return the lowest norm before each; infinite before the first."""
    lowest = np.full_like(known, np.inf)
    np.minimum.accumulate(known[:-1], axis=0, out=lowest[1:])
    return lowest


def _neighbours(known: Matrix) -> Matrix:
    """Return the median of the neighbours of each norm as if none exploded; NaN where there are none."""
    usual = np.full_like(known, np.nan)
    for row in range(min(NEIGHBOURS, len(known))):
        usual[row] = _made_up(known[:row], known[row + 1 : row + 1 + FEWEST])
    usual[NEIGHBOURS:] = running_medians(known[:-1], NEIGHBOURS)
    return usual


def _made_up(before: Matrix, after: Matrix) -> Matrix:
    """Return the medians of the norms before, of which some are NaN, and of as many after as make up 5."""
    if len(before) >= FEWEST and not np.isnan(before).any():
        return medians(before)
    missing = FEWEST - np.count_nonzero(~np.isnan(before), axis=0)
    needed = np.where(np.arange(len(after))[:, None] < missing, after, np.nan)
    return medians(np.vstack([before, needed]))


def _exploding(known: Matrix, usual: Matrix, judged: Mask, factor: float) -> Mask:
    """Mark what explodes step by step; change `usual` where explosions are left out of the neighbours."""
    steps = np.zeros_like(judged)
    suspects: list[bool] = np.logical_or.reduce(judged & (usual > 0) & (known > factor * usual), axis=1).tolist()
    last = -NEIGHBOURS - 1
    for row, suspect in enumerate(suspects):
        near = row - last <= NEIGHBOURS
        if near:
            _leave_out(known, usual, steps, row)
        if near or suspect:
            steps[row] = judged[row] & (usual[row] > 0) & (known[row] > factor * usual[row])
            last = row if steps[row].any() else last
    return steps


def _leave_out(known: Matrix, usual: Matrix, steps: Mask, row: int) -> None:
    """Leave the explosions out of the neighbours of a step, unless fewer than 5 of 20 would be left."""
    first = max(0, row - NEIGHBOURS)
    columns = np.flatnonzero(steps[first:row].any(axis=0))
    before = np.where(steps[first:row, columns], np.nan, known[first:row, columns])
    if row >= NEIGHBOURS:
        enough = np.count_nonzero(~np.isnan(before), axis=0) >= FEWEST
        columns, before = columns[enough], before[:, enough]
    usual[row, columns] = _made_up(before, known[row + 1 : row + 1 + FEWEST, columns])


def beyond_noise(known: Matrix, usual: Matrix, steps: Mask, *, shared: bool = False) -> Mask:
    """Return which norms are 4 standard deviations of their group above usual; `shared`: of the median group, if that varies more.

    The deviation of the logarithms is the smaller of two estimates: from norms in succession, and from distances to the usual
    norms, exploding `steps` left out. A trend raises only the one, an explosion only the other.
    """
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        ratios = np.log(known / usual)
    quiet = np.where(steps | ~np.isfinite(ratios), np.nan, ratios)
    noise = np.nan_to_num(np.fmin(spreads(logs(known)), deviations(quiet)))
    if shared:
        noise = np.fmax(noise, median(noise) if len(noise) else 0.0)
    found: Mask = ratios > DEVIATIONS * noise
    return found


def _since(steps: Mask, packed: Packed) -> NDArray[np.intp]:
    """Return the step at which 5 explosions in a row begin, the first time; -1 if there are none."""
    found = np.full(steps.shape[1], -1, np.intp)
    columns = np.flatnonzero(np.count_nonzero(steps, axis=0) >= FEWEST)
    if not len(columns):
        return found
    runs = np.lib.stride_tricks.sliding_window_view(steps[:, columns], FEWEST, axis=0)
    lasting = np.logical_and.reduce(runs, axis=-1)
    some = np.logical_or.reduce(lasting, axis=0)
    found[columns[some]] = packed.rows_of(lasting[:, some].argmax(axis=0), columns[some])
    return found
