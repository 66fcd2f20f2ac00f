"""Find blocks whose norms are unlike those of a run that went well.

A norm is compared with those of the baseline's dumps that are nearest by step, since early norms are higher than late ones. It
is unlike them where it is outside their range by more than so many spreads of the block: s = 1.4826 · median |ln(n / m)| over
the dumps of the baseline, where m is the median of the nearest dumps of each.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gradclip_cli.checks.base import Baseline, Figures, Problem
from gradclip_cli.checks.limits import Limits
from gradclip_cli.text import printable, times
from gradclip_cli.thresholds.base import DEVIATION
from gradclip_cli.thresholds.exact_sums import group_norms
from gradclip_cli.thresholds.samples import Matrix, median

ADVICE = "look at what differs between both runs: data, learning rate, initial weights, code"

_NEAREST = 11
"""The dumps of the baseline that a norm is compared with: those nearest by step."""

ENOUGH = 5
"""The finite norms that tell a spread; of fewer, norms are unlike theirs from ten times as much on."""

_LEAST, _FEW = 0.1, math.log(10)
"""The least spread of a block, as a share; how far apart norms may be where there are too few to tell a spread (ln)."""


class Blocks(NamedTuple):
    """The norms of the blocks of two runs (dumps × blocks), over the tensors that both have."""

    names: list[str]
    run: Matrix
    good: Matrix


class Range(NamedTuple):
    """What the baseline's nearest dumps say of a block: the median of their norms, and the limits on both sides."""

    median: float
    low: float
    high: float


def find_unlike_baseline(figures: Figures, limits: Limits) -> Iterator[Problem]:
    """Find blocks with norms outside those of the baseline; each block is found once above and once below them."""
    if figures.baseline is None:
        return
    yield from sorted(_unlike(figures, figures.baseline, limits.unlike_baseline_spreads), key=lambda one: one.dumps[0])


def _unlike(figures: Figures, baseline: Baseline, spreads: float) -> Iterator[Problem]:
    blocks = _blocks(figures, baseline)
    if baseline.whole is not None:
        ranges = _ranges(baseline.whole, figures, baseline, spreads)
        for rows in _outside(figures.dump_norms, ranges):
            yield _problem(None, rows, figures.dump_norms, ranges, baseline.label)
    for column, name in enumerate(blocks.names):
        ranges = _ranges(blocks.good[:, column], figures, baseline, spreads)
        norms = blocks.run[:, column]
        for rows in _outside(norms, ranges):
            yield _problem(name, rows, norms, ranges, baseline.label)


def _outside(norms: Matrix, ranges: Sequence[Range | None]) -> Iterator[list[int]]:
    """Yield the rows above their ranges, and those below them, where there are any."""
    above = [row for row, one in enumerate(ranges) if one is not None and norms[row] > one.high]
    below = [row for row, one in enumerate(ranges) if one is not None and norms[row] < one.low]
    yield from filter(None, (above, below))


def _blocks(figures: Figures, baseline: Baseline) -> Blocks:
    """Return the norms of the blocks of both runs."""
    found: dict[str, list[int]] = {}
    for column, tensor in enumerate(figures.tensors):
        if (tensor.layer, tensor.param) in baseline.columns:
            found.setdefault(tensor.block, []).append(column)
    columns = [column for block in found.values() for column in block]
    starts = [0, *np.cumsum([len(block) for block in found.values()]).tolist()][:-1]
    places = [(figures.tensors[column].layer, figures.tensors[column].param) for column in columns]
    good = baseline.norms[:, [baseline.columns[place] for place in places]]
    if not columns:
        return Blocks([], np.zeros((len(figures.dumps), 0)), np.zeros((len(baseline.steps), 0)))
    missing = (figures.elements == 0) & (figures.elements.max(axis=0) > 0)
    run = np.where(missing, np.nan, figures.norms_as_read)[:, columns]
    return Blocks(list(found), group_norms(run, starts), group_norms(good, starts))


def _ranges(good: Matrix, figures: Figures, baseline: Baseline, spreads: float) -> list[Range | None]:
    """Return the range for each dump of the run; None where the baseline has no finite norm above 0 of the block."""
    there = np.flatnonzero(np.isfinite(good) & (good > 0)).tolist()
    logs = {row: math.log(good[row]) for row in there}
    own, steps = list(figures.steps), list(baseline.steps)
    if any(steps[row] is None for row in there):  # each is compared with all
        own, steps = [None] * len(own), [None] * len(steps)
    near = _nearest(there, steps, {*steps, *own})
    middles = {step: median([logs[row] for row in rows]) for step, rows in near.items() if rows}
    if not middles:
        return [None] * len(own)
    apart = [abs(logs[row] - middles[steps[row]]) for row in there]
    margin = spreads * max(_LEAST, DEVIATION * median(apart)) if len(there) >= ENOUGH else _FEW
    known = {}
    for step in set(own):
        values = [logs[row] for row in near[step]]
        known[step] = Range(*map(_exp, (middles[step], min(values) - margin, max(values) + margin)))
    return [known[step] for step in own]


def _nearest(
    rows: Sequence[int], steps: Sequence[int | None], wanted: Iterable[int | None]
) -> dict[int | None, Sequence[int]]:
    """Return the rows of the dumps nearest to each step; all of them where a dump has no step."""
    ordered = sorted((steps[row] or 0, row) for row in rows)
    places = [step for step, _ in ordered]
    alone = len(set(places)) == len(places)  # of steps that stand there twice, the window might miss the first
    found: dict[int | None, Sequence[int]] = {}
    for step in wanted:
        if step is None:
            found[step] = rows
            continue
        at = bisect_left(places, step)
        window = ordered[max(0, at - _NEAREST) : at + _NEAREST] if alone else ordered
        nearest = sorted(window, key=lambda one: (abs(one[0] - step), one[1]))[:_NEAREST]  # of a few
        found[step] = [row for _, row in nearest]
    return found


def _exp(value: float) -> float:
    return math.exp(value) if value < 709 else math.inf


def _problem(
    block: str | None, rows: Sequence[int], norms: Matrix, ranges: Sequence[Range | None], label: str
) -> Problem:
    ratios = {row: norms[row] / one.median for row in rows if (one := ranges[row]) is not None}
    first, worst = rows[0], max(rows, key=lambda row: abs(math.log(ratios[row])) if ratios[row] > 0 else math.inf)
    limit = ranges[first]
    bound = math.nan if limit is None else limit.high if ratios[first] > 1 else limit.low
    message, brief = (
        f"norm {norms[row]:.3g}, {times(ratios[row])} the median of {printable(label)}" for row in (first, worst)
    )
    what = "the whole" if block is None else printable(block)
    found = Problem(rows, float(norms[first]), bound, f"{what} has a {message}", advice=ADVICE, block=block)
    return found._replace(whole=block is None, worst=float(norms[worst]), brief=brief)
