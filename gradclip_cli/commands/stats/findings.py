"""Find what a screen of `stats` says first: what is not finite, what explodes and rose first, what vanishes, where norms go."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gradclip_cli.checks.forward_order import forward_key
from gradclip_cli.checks.limits import Limits
from gradclip_cli.commands.stats.advice import threshold_after
from gradclip_cli.commands.stats.layout import SeriesLayout, order
from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.commands.stats.ranges import step_ranges
from gradclip_cli.commands.stats.rows import NormRow, block_names
from gradclip_cli.inputs.naming import Naming
from gradclip_cli.inputs.ordering import by_step
from gradclip_cli.numerics.first_nonfinite import Nonfinite
from gradclip_cli.reports.check import FirstRise
from gradclip_cli.reports.stats_findings import (
    BlockRise,
    Exploding,
    Growing,
    NonfiniteTensor,
    StatsTrend,
    Vanishing,
)
from gradclip_cli.strategies.builtin import GLOBAL
from gradclip_cli.thresholds.advised import has_moved, trend_of
from gradclip_cli.thresholds.base import EXPLODING_DUMPS, EXPLODING_FACTOR
from gradclip_cli.thresholds.explosions import explosions
from gradclip_cli.thresholds.growth import growths
from gradclip_cli.thresholds.norm_table import NormTable, SeriesNorms, Step
from gradclip_cli.thresholds.rises import first_rises, heights

_LIMITS = Limits()


def found(plan: StatsPlan, layout: SeriesLayout, norms: SeriesNorms) -> dict[str, Any]:
    """Return the fields of the report that say what stands out."""
    exploding = _exploding(norms)
    bad = [row for row, step in enumerate(norms.steps) if step.nonfinite]
    at = exploding[0] if exploding else bad[0] if bad else None
    return {
        "exploding": exploding[1] if exploding else None,
        "first": None if at is None or len(norms.steps) < 2 else _first(norms, at),
        "growing": _growing(norms),
        "vanishing": _vanishing(layout, norms.params, plan.norm.type, plan.selection.naming),
        "trend": _trend(plan, norms) if len(norms.steps) > 1 else None,
        "rises": [BlockRise(str(norms.blocks.groups[one.column]), *one[1:]) for one in heights(norms.blocks)],
    }


def _exploding(norms: SeriesNorms) -> tuple[int, Exploding] | None:
    """Return the row of the step that is highest above its neighbours, and what is said of it; None if none explodes."""
    table = norms.total
    high = explosions(table.norms, table.finite, EXPLODING_FACTOR, EXPLODING_DUMPS)
    if not high.steps.any():
        return None
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        times = np.where(high.steps, table.norms / high.usual, 0.0)[:, 0]
    row = int(times.argmax())
    step = norms.steps[row]
    which = high.steps[:, 0]
    figures = table.norms.item(row, 0), float(times[row]), int(which.sum()), step_ranges(which, norms.steps)
    return row, Exploding(step.input, step.number, *figures)


def _first(norms: SeriesNorms, row: int) -> FirstRise:
    """Return what rose first before the step of a row."""
    (rise,) = first_rises(norms.blocks, [row])
    steps, inputs = [step.number for step in norms.steps], [step.input for step in norms.steps]
    return FirstRise.of(rise, row, norms.blocks.groups, steps, inputs)


def _growing(norms: SeriesNorms) -> list[Growing]:
    """Return the blocks whose norms grow slowly, the fastest first."""
    table = norms.blocks
    every = growths(table.norms, table.finite, _LIMITS.growing_factor, _LIMITS.growing_dumps)
    return [
        Growing(
            str(table.groups[one.column]),
            one.start,
            one.end,
            norms.steps[one.since].number,
            norms.steps[one.until].number,
        )
        for one in sorted(every, key=lambda one: -one.end / one.start)
    ]


def _vanishing(layout: SeriesLayout, params: NormTable, p: float, naming: Naming) -> Vanishing | None:
    """Return the tensors whose mean |g| is below that of `check` at every step, as far as norms tell; None if there are none.

    For P of 1 or more, norm / elements^(1/P) is no less than the mean |g|.
    """
    if p < 1 or not len(params.norms):
        return None
    top = np.where(params.finite, params.norms, 0.0).max(axis=0)
    small = np.flatnonzero((top > 0) & (top < _LIMITS.vanishing_mean * _sizes(layout, p))).tolist()
    if not small:
        return None
    blocks = block_names(layout.layers, naming)
    names = dict.fromkeys(blocks[layout.places[k].layer] for k in small)
    usual = float(np.median(params.norms[:, small][params.finite[:, small]]))
    return Vanishing(list(names), len(small), usual)


def _sizes(layout: SeriesLayout, p: float) -> np.ndarray:
    """Return elements^(1/P) of each tensor; 0 where its shape is not known."""
    sizes = {shape: 0 if shape is None else math.prod(shape) for shape in set(layout.shapes)}
    return np.array([sizes[shape] for shape in layout.shapes], np.float64) ** (1 / p)


def _trend(plan: StatsPlan, norms: SeriesNorms) -> StatsTrend:
    strategy = plan.strategy or GLOBAL
    way = trend_of(norms.total)
    if not has_moved(way):
        return StatsTrend("steady", way.start, way.end, None, None)
    settled = norms.steps[way.settled_row].number
    return StatsTrend(way.kind, way.start, way.end, settled, threshold_after(strategy, norms.compared(strategy), way))


def first_nonfinite(dumps: Sequence[tuple[NormRow, Sequence[Nonfinite]]]) -> list[NonfiniteTensor]:
    """Return each tensor that is not finite once, in the order of the first dumps in which it is not.

    The tensors of a dump come from the last layer to the first.
    """
    found: list[NonfiniteTensor] = []
    seen = set[str]()
    for row, tensors in by_step(dumps, lambda one: order(one[0])):
        new = [one for one in tensors if one.name not in seen]
        new.sort(key=lambda one: (forward_key(one.name), one.name), reverse=True)
        seen.update(one.name for one in new)
        found += [_nonfinite(row.norms.step, one) for one in new]
    return found


def _nonfinite(step: Step, one: Nonfinite) -> NonfiniteTensor:
    counts = one.nan, one.posinf, one.neginf, one.elements
    return NonfiniteTensor(step.input, step.number, one.name, *counts, one.kind, list(one.place), one.file)
