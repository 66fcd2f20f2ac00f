"""Which steps stand out of a series, and by which of their groups."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gradclip_cli.choosing.effects import Matrix
from gradclip_cli.choosing.samples import Sample
from gradclip_cli.reports import StatsDump
from gradclip_cli.rules.explosions import explosions
from gradclip_cli.rules.limits import Limits
from gradclip_cli.text import printable


class Peak(NamedTuple):
    """The group of one step that is farthest above what is usual for it; `where` is empty if the group is the dump.

    `before` says that what is usual is the median of the steps before, where the run stays up.
    """

    dump: StatsDump
    where: str
    value: float
    times: float
    explodes: bool
    before: bool


class Peaks(NamedTuple):
    """One peak for each step that has a finite norm, and all norms but those that explode, which are NaN here."""

    steps: list[Peak]
    calm: Matrix


def peaks(samples: Sequence[Sample], matrix: Matrix, names: Sequence[str]) -> Peaks:
    """Compare each norm (steps × groups) with what is usual for its group; where that is 0, nothing can be told.

    What explodes is what explodes for `check`, by its default limits.
    """
    limits, finite = Limits(), np.isfinite(matrix)
    high = explosions(matrix, finite, limits.exploding_factor, limits.exploding_dumps, parts=any(names))
    with np.errstate(over="ignore"):
        times = np.divide(matrix, high.usual, out=np.zeros_like(matrix), where=finite & (high.usual > 0))
    found = []
    for sample, row, ratios, steps in zip(samples, matrix, times, high.steps, strict=True):
        if np.isfinite(row).any():
            k = int((np.where(steps, ratios, 0) if steps.any() else ratios).argmax())
            peak = Peak(sample.dump, names[k], float(row[k]), float(ratios[k]), bool(steps[k]), bool(high.stays[k]))
            found.append(peak)
    return Peaks(found, np.where(high.steps, np.nan, matrix))


def told(peak: Peak) -> str:
    """Say where a peak is, and how high."""
    where = f"{printable(peak.where)} " if peak.where else ""
    whose = f"{'its' if where else 'the'} median{' before' if peak.before else ''}"
    return f"{step(peak.dump)}: {where}{peak.value:.4g}, {peak.times:.4g} times {whose}"


def step(dump: StatsDump) -> str:
    """Call a dump by its step, or else by its file."""
    path = dump.input if isinstance(dump.input, str) else dump.input[0]
    return printable(path) if dump.step is None else f"step {dump.step}"
