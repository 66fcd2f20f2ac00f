"""Find the steps that stand out in a series, and trends in norms that are too spread out for one threshold."""

from typing import NamedTuple

import numpy as np

from gradclip_cli.commands.stats.wording import step_name
from gradclip_cli.text import printable
from gradclip_cli.thresholds.explosions import Explosions
from gradclip_cli.thresholds.norm_table import NormTable, SeriesNorms, Step
from gradclip_cli.thresholds.samples import NormSamples, median

WIDE = 10.0
"""The norms of a group are spread out where their 90th percentile is above this multiple of the 10th, zeros left out."""

_ENOUGH = 5


class Spike(NamedTuple):
    """The group of one step that is farthest above its neighbours; `where` is empty if the group is the whole dump.

    `times` says how often `value` is the median of the neighbours.
    """

    step: Step
    where: str
    value: float
    times: float
    explodes: bool


def spikes(norms: SeriesNorms, table: NormTable, high: Explosions) -> list[Spike]:
    """Return the spike of each step that has a finite norm; where the median of the neighbours is 0, it is 0 times that.

    `high` holds the explosions of the table.
    """
    matrix, finite = table.norms, table.finite
    with np.errstate(over="ignore"):
        times = np.divide(matrix, high.usual, out=np.zeros_like(matrix), where=finite & (high.usual > 0))
    found = []
    for row in np.flatnonzero(finite.any(axis=1)).tolist():
        explodes, ratios = high.steps[row], times[row]
        k = int((np.where(explodes, ratios, 0) if explodes.any() else ratios).argmax())
        figures = float(matrix[row, k]), float(ratios[k]), bool(explodes[k])
        found.append(Spike(norms.steps[row], str(table.groups[k]), *figures))
    return found


def spread_sentence(norms: SeriesNorms, table: NormTable) -> str | None:
    """Describe the trend of the group whose norms are spread out most; None unless most groups are spread out."""
    taken = table.finite & (table.norms > 0)
    spreads = [_spread(NormSamples(column[kept])) for column, kept in zip(table.norms.T, taken.T, strict=True)]
    if not spreads or median(spreads) <= WIDE:
        return None
    k = int(np.argmax(spreads))
    kept = np.flatnonzero(taken[:, k])
    column, steps = table.norms[kept, k], [norms.steps[row] for row in kept.tolist()]
    whose = f"of {printable(str(table.groups[k]))} " if str(table.groups[k]) else ""
    first, second = (NormSamples(half).percentile(50) for half in np.split(column, [len(column) // 2]))
    halves = f"from {first:.4g} to {second:.4g} (medians of the first half and the second)"
    if first > WIDE * second:
        rows = int(kept[np.flatnonzero(column > WIDE * second)[-1]]) + 1
        return f"the norms {whose}fall {halves}, so one threshold fits few steps: leave out the first with --skip-steps {rows}"
    if second > WIDE * first:
        start = step_name(steps[int(np.flatnonzero(column > WIDE * first)[0])])
        return f"the norms {whose}grow {halves}, so one threshold fits few steps: look at those from {start} on"
    low, high = (NormSamples(column).percentile(percent) for percent in (10, 90))
    return (
        f"the norms {whose}range from {low:.4g} to {high:.4g} (10th and 90th percentile), so one threshold fits few steps:"
        f" look at {step_name(steps[int(column.argmax())])}, the highest"
    )


def _spread(samples: NormSamples) -> float:
    """Return the ratio of the 90th percentile to the 10th; 0 where there are too few norms."""
    if len(samples.finite) < _ENOUGH:
        return 0.0
    low, high = (samples.percentile(percent) for percent in (10, 90))
    with np.errstate(over="ignore"):
        return float(np.divide(high, low))
