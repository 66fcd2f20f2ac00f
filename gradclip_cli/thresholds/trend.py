"""Tell whether norms fall, rise or step over a run, from which level to which, and where the part after that begins."""

from typing import Literal, NamedTuple

import numpy as np

from gradclip_cli.thresholds.levels import logs, running_medians, spreads
from gradclip_cli.thresholds.norm_table import NormTable
from gradclip_cli.thresholds.samples import Matrix

LEAST = 1.5
"""Norms have a trend if the levels at both ends differ by at least this factor ..."""

DEVIATIONS = 5.0
"""... and by so many standard errors of the medians that the levels are."""

SETTLED = 20
"""The part after a fall or rise begins with the first so many steps whose median is within a quarter of that of the last ones."""

_WITHIN = 0.25
_ENOUGH = 10

Kind = Literal["falls", "rises", "steps", "steady"]


class Trend(NamedTuple):
    """Where norms go: from the level `start` to the level `end`; the part at that level begins at step `settled_row`.

    They step if more than half of the change comes at once. Steady norms have `start`, `end` and 0; NaN if there are none.
    """

    kind: Kind
    start: float
    end: float
    settled_row: int


def trend(table: NormTable, column: int = 0) -> Trend:
    """Describe the trend of one group; fewer than 10 finite norms above 0 are steady."""
    rows = np.flatnonzero(table.finite[:, column] & (table.norms[:, column] > 0))
    norms = table.norms[rows, column]
    if not len(norms):
        return Trend("steady", np.nan, np.nan, 0)
    start, end = _start(norms), float(np.median(norms[-_last(len(norms)) :]))
    kind = _kind(norms) if len(norms) >= _ENOUGH else "steady"
    return Trend(kind, start, end, 0 if kind == "steady" else int(rows[_settled(norms)]))


def _last(count: int) -> int:
    """Return how many of the last norms make up a level: 20, or half of a short series."""
    return min(SETTLED, max(1, count // 2))


def _start(norms: Matrix) -> float:
    """Return the first norm; where it is not within a quarter of the median of the first five, that median."""
    first, usual = float(norms[0]), float(np.median(norms[:5]))
    return first if abs(first - usual) <= _WITHIN * usual else usual


def _settled(norms: Matrix) -> int:
    """Return the first of the first 20 norms in succession whose median is within a quarter of that of the last 20."""
    levels = running_medians(norms[:, None], _last(len(norms)))[:, 0]
    return int(np.flatnonzero(np.abs(levels - levels[-1]) <= _WITHIN * levels[-1])[0])


def _kind(norms: Matrix) -> Kind:
    """Compare the levels at both ends: medians of a fifth of the norms, of 5 to 20 of them."""
    each = max(3, min(SETTLED, len(norms) // 5))
    levels = logs(running_medians(norms[:, None], each))[:, 0]
    change = float(levels[-1] - levels[0])
    error = 1.2533 * float(spreads(logs(norms[:, None]))[0]) * np.sqrt(2 / each)
    if abs(change) < max(np.log(LEAST), DEVIATIONS * error):
        return "steady"
    if float(np.abs(levels[2:] - levels[:-2]).max(initial=0)) > abs(change) / 2:
        return "steps"
    return "falls" if change < 0 else "rises"
