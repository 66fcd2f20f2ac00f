"""Hold the norms of a series (steps × groups), from which rules choose and which strategies compare with thresholds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.lazy_rows import LazyRows
from gradclip_cli.strategies.base import Group, Strategy
from gradclip_cli.thresholds.base import Summary
from gradclip_cli.thresholds.exact_sums import group_norms
from gradclip_cli.thresholds.samples import Mask, Matrix, NormSamples, summaries
from gradclip_cli.thresholds.stable_spam import Elements


class Step(NamedTuple):
    """One step of a series: its input, its number if it has one, and how many of its elements are not finite.

    `name` stands for the number where that is a running one. `ordered` says whether the number tells its place in the series,
    `stood_out` that it was captured for what it is like.
    """

    input: str | list[str]
    number: int | None
    nonfinite: int = 0
    name: str | None = None
    ordered: bool = True
    stood_out: bool = False


class GroupName(NamedTuple):
    """The name of a column: a layer, one tensor of it, or the whole dump, whose name is empty."""

    layer: str = ""
    tensor: str | None = None

    def __str__(self) -> str:
        return self.layer if self.tensor is None else self.tensor


@dataclass(frozen=True)
class NormTable:
    """Norms, steps × groups: NaN or infinite if a group is not finite; a group that is `absent` from a step has 0 there.

    What is absent is no sample, neither a finite one nor one that is NaN or infinite.
    """

    groups: Sequence[GroupName]
    norms: Matrix
    absent: Mask | None = None
    like: "NormTable | None" = field(default=None, compare=False, repr=False)
    """The same norms under other names, of which nothing is computed twice."""

    def renamed(self, groups: Sequence[GroupName]) -> "NormTable":
        """Return the same norms under other names."""
        return NormTable(groups, self.norms, self.absent, self)

    @cached_property
    def present(self) -> Mask:
        """Which groups each step has (steps × groups)."""
        if self.like is not None:
            return self.like.present
        return np.ones(self.norms.shape, np.bool_) if self.absent is None else ~self.absent

    @cached_property
    def finite(self) -> Mask:
        """Which norms are present and finite (steps × groups)."""
        if self.like is not None:
            return self.like.finite
        found: Mask = self.present & np.isfinite(self.norms)
        return found

    @cached_property
    def samples(self) -> NormSamples:
        """All norms that are present."""
        if self.like is not None:
            return self.like.samples
        return NormSamples(self.norms if self.absent is None else self.norms[self.present])

    def column(self, k: int) -> NormSamples:
        """Return the norms of group `k` that are present."""
        return NormSamples(self.norms[:, k] if self.absent is None else self.norms[self.present[:, k], k])

    def of_group(self, k: int) -> "NormTable":
        """Return the table of group `k` alone."""
        absent = None if self.absent is None else self.absent[:, k : k + 1]
        return NormTable([self.groups[k]], self.norms[:, k : k + 1], absent)

    def of_steps(self, rows: Mask) -> "NormTable":
        """Return the table of some steps alone."""
        return NormTable(self.groups, self.norms[rows], None if self.absent is None else self.absent[rows])

    def first(self, steps: int) -> "NormTable":
        """Return the table of the first steps alone."""
        return NormTable(self.groups, self.norms[:steps], None if self.absent is None else self.absent[:steps])

    def joined(self, names: Sequence[str], p: float) -> "NormTable":
        """Return the P-norms of all groups of the same name; `names` has one for each group, which is then a layer.

        It is this table itself where each group has its own name. A name is absent where all of its groups are.
        """
        if list(names) == [group.layer for group in self.groups]:
            return self
        place = {name: k for k, name in enumerate(dict.fromkeys(names))}
        place_of = np.array([place[name] for name in names], np.int32)
        order = np.argsort(place_of, kind="stable")
        starts = np.flatnonzero(np.diff(place_of[order], prepend=-1)).tolist()
        absent = None if self.absent is None else np.logical_and.reduceat(self.absent[:, order], starts, axis=1)
        return NormTable([GroupName(name) for name in place], group_norms(self.norms[:, order], starts, p), absent)

    def steps_of(self, k: int) -> list[float | None]:
        """Return the norms of group `k` step by step, None where it is absent."""
        norms: list[float] = self.norms[:, k].tolist()
        if self.absent is None:
            return [*norms]
        return [None if missing else norm for norm, missing in zip(norms, self.absent[:, k].tolist(), strict=True)]

    def summaries(self) -> Sequence[Summary]:
        """Summarise each group, once; summaries are made when they are accessed."""
        return self._summaries

    @cached_property
    def _summaries(self) -> Sequence[Summary]:
        if self.like is not None:
            return self.like.summaries()
        if self.absent is None:
            return summaries(self.norms)
        return [self.column(k).summary() for k in range(self.norms.shape[1])]

    def steps_above(self, threshold: float, epsilon: float = 0.0) -> Mask:
        """Return which steps have any finite norm above `threshold` once `epsilon` is added."""
        above: Mask = np.logical_or.reduce(self.finite & (self.norms + epsilon > threshold), axis=1)
        return above

    def longest_run(self, threshold: float, epsilon: float = 0.0) -> int:
        """Return the length of the longest run of steps with any finite norm above `threshold` once `epsilon` is added."""
        return longest_run(self.steps_above(threshold, epsilon))


class StepRows(LazyRows[list[float | None]]):
    """The norms of each group step by step, as `NormTable.steps_of` gives them; `table` holds all of them as arrays."""

    def __init__(self, table: NormTable) -> None:
        super().__init__(table.steps_of, range(len(table.groups)))
        self.table = table


def longest_run(which: Mask) -> int:
    """Return the length of the longest run of marked steps."""
    return max((sum(1 for _ in run) for marked, run in groupby(which.tolist()) if marked), default=0)


class ClippedElements(NamedTuple):
    """Tensors after elementwise clipping (steps × tensors): their L2 norms, and their cosines with the unclipped tensors."""

    norms: Matrix
    cosines: Matrix


class L2Norms(NamedTuple):
    """The L2 norms of a series, to try strategies on; `clipped` maps limits on |g| to the clipped tensors."""

    total: NormTable
    layers: NormTable
    params: NormTable
    clipped: Mapping[float, ClippedElements]

    def of_steps(self, rows: Mask) -> "L2Norms":
        """Return the norms of some steps alone."""
        clipped = {limit: ClippedElements(*(one[rows] for one in found)) for limit, found in self.clipped.items()}
        return L2Norms(self.total.of_steps(rows), self.layers.of_steps(rows), self.params.of_steps(rows), clipped)

    def of(self, group: Group) -> NormTable:
        """Return the L2 norms of this kind of group."""
        return _of_group(group, self.total, self.layers, self.params)


class Counts(NamedTuple):
    """The elements of each tensor of one dump, and how many of them are 0."""

    elements: NDArray[np.int64]
    zeros: NDArray[np.int64]


class OwnNorms(NamedTuple):
    """What one strategy compares instead of the norms of its kind of group, and the L2 norms of the same groups."""

    compared: NormTable
    before: NormTable

    def of_steps(self, rows: Mask) -> "OwnNorms":
        """Return the norms of some steps alone."""
        return OwnNorms(self.compared.of_steps(rows), self.before.of_steps(rows))


class SeriesNorms(NamedTuple):
    """The norms of a series in the order of its steps, for each kind of group; `max_abs` has the largest |g| of each tensor.

    `blocks` is `layers` itself where each layer is a block of its own.
    """

    steps: Sequence[Step]
    total: NormTable
    layers: NormTable
    params: NormTable
    max_abs: NormTable
    blocks: NormTable
    l2: L2Norms | None = None  # only if strategies are tried
    counts: Counts | None = None  # only of a single dump
    own: Mapping[str, OwnNorms] = {}  # by strategy, of those that compare others; nobody changes it
    elements: Elements | None = None  # of tensors, only if a rule looks at them again

    def without_outstanding(self) -> "SeriesNorms":
        """Return the norms of the steps that were not captured for what they are like: those are no sample of the run.

        If there are no others, all of them are returned.
        """
        rows = np.array([not step.stood_out for step in self.steps], np.bool_)
        if rows.all() or not rows.any():
            return self
        layers = self.layers.of_steps(rows)
        return self._replace(
            steps=[step for step, kept in zip(self.steps, rows.tolist(), strict=True) if kept],
            total=self.total.of_steps(rows),
            layers=layers,
            params=self.params.of_steps(rows),
            max_abs=self.max_abs.of_steps(rows),
            blocks=layers if self.blocks is self.layers else self.blocks.of_steps(rows),
            l2=None if self.l2 is None else self.l2.of_steps(rows),
            own={name: one.of_steps(rows) for name, one in self.own.items()},
            elements=None if self.elements is None else self.elements.of_steps(rows),
        )

    def compared(self, strategy: Strategy) -> NormTable:
        """Return the norms that a strategy compares or divides by: of the type that the user chose, L2 norms, or max |g|."""
        if strategy.name in self.own:
            return self.own[strategy.name].compared
        if strategy.group is Group.ELEMENT:
            return self.max_abs
        if not strategy.takes_norm and self.l2 is not None:
            return self.l2.of(strategy.group)
        return _of_group(strategy.group, self.total, self.layers, self.params)


def _of_group(group: Group, total: NormTable, layers: NormTable, params: NormTable) -> NormTable:
    return {Group.DUMP: total, Group.NONE: total, Group.LAYER: layers}.get(group, params)
