"""Norms of dumps as points of a line: where there are too many for it, each is the largest of several that follow each other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from gradclip_cli.render.html.steps import are_numbered, name_of, places
from gradclip_cli.reports.stats import StatsDump
from gradclip_cli.thresholds.base import EXPLODING_DUMPS, EXPLODING_FACTOR
from gradclip_cli.thresholds.explosions import explosions
from gradclip_cli.thresholds.samples import Mask, Matrix

MOST = 1500
"""The most points of a line: more than a screen has columns."""

SMALL = 14
"""The area of a point of a line in square pixels."""
_DENSE, _SMALLEST = 400, 2
"""The number of points above which they are smallest, and their area then."""


class Marked(NamedTuple):
    """Dumps of one point that have something in common: how many, and the row of the one that stands for them."""

    row: int
    count: int  # type: ignore[assignment]  # hides `tuple.count`, which nobody calls


@dataclass(frozen=True)
class NormPoints:
    """The norms of a run in groups of `each` dumps; `exploding` says which explode, as `stats` and `check` say it."""

    dumps: Sequence[StatsDump]
    norms: Matrix
    places: Sequence[int]
    numbered: bool
    exploding: Mask
    each: int

    @classmethod
    def of(cls, dumps: Sequence[StatsDump]) -> "NormPoints":
        """Return the norms of dumps as points of a line."""
        norms = np.array([dump.norm for dump in dumps], np.float64)
        high = explosions(norms[:, None], np.isfinite(norms)[:, None], EXPLODING_FACTOR, EXPLODING_DUMPS)
        return cls(dumps, norms, places(dumps), are_numbered(dumps), high.steps[:, 0], -(-len(dumps) // MOST))

    def at_most(self, points: int) -> "NormPoints":
        """Return the same norms in groups that make so many points at most."""
        return replace(self, each=-(-len(self.dumps) // points))

    @property
    def need_names(self) -> bool:
        """Whether the place of a point does not tell which dump it is."""
        return self.each > 1 or any(dump.name is not None or dump.step is None for dump in self.dumps)

    @property
    def positive(self) -> Mask:
        """Which norms a logarithmic axis can show."""
        found: Mask = np.isfinite(self.norms) & (self.norms > 0)
        return found

    def largest(self) -> list[int]:
        """Return the row of each group's largest norm that is finite and above 0; of its first dump, where it has none."""
        return [one.row for one in self._groups(self.positive)]

    def marked(self, which: Mask) -> list[Marked]:
        """Return a point for each group that has any of some dumps: that of its largest norm among them, or of the first."""
        return [one for one in self._groups(which) if one.count]

    def name(self, row: int) -> str:
        """Name the dump of a row."""
        return name_of(self.dumps[row])

    def row_of(self, step: int | None, path: str | list[str]) -> int | None:
        """Return the row of a dump, None where it is left out."""
        return next((k for k, dump in enumerate(self.dumps) if dump.step == step and dump.input == path), None)

    def where(self, row: int) -> str:
        """Name the dump of a row, and those of which it is the largest."""
        name = name_of(self.dumps[row])
        first = row - row % self.each
        last = min(first + self.each, len(self.dumps)) - 1
        if first == last:
            return name
        return f"{name} (largest of {name_of(self.dumps[first])} to {name_of(self.dumps[last])})"

    def group(self, row: int) -> str:
        """Name the dumps of the group of a row."""
        first = row - row % self.each
        last = min(first + self.each, len(self.dumps)) - 1
        names = dict.fromkeys(name_of(self.dumps[k]) for k in (first, last))
        return ("-" if self.numbered else " to ").join(names)

    def _groups(self, which: Mask) -> list[Marked]:
        short = -len(which) % self.each
        mask = np.pad(which, (0, short)).reshape(-1, self.each)
        heights = np.where(np.isfinite(self.norms), self.norms, 0.0)
        ranked = np.where(mask, np.pad(heights, (0, short)).reshape(-1, self.each), -1.0)
        rows = ranked.argmax(axis=1) + np.arange(len(mask)) * self.each
        counts = np.count_nonzero(mask, axis=1)
        return [Marked(*one) for one in zip(rows.tolist(), counts.tolist(), strict=True)]


def size_of(points: int) -> int:
    """Return the area of each of so many points in square pixels."""
    return SMALL if points <= _DENSE else _SMALLEST
