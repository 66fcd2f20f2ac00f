"""The norms of a series, steps × groups: what rules choose from, and what strategies compare with their thresholds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

import numpy as np

from gradclip_cli.strategies.base import Group, Strategy
from gradclip_cli.thresholds.base import Summary
from gradclip_cli.thresholds.samples import Mask, Matrix, NormSamples, summaries


class Step(NamedTuple):
    """One step of a series: where its norms are from, its number where all steps have one, and how many elements are not finite."""

    input: str | list[str]
    number: int | None
    nonfinite: int = 0


class GroupName(NamedTuple):
    """The tensors of a column: a layer, one tensor of it, or the whole dump, which has no name."""

    layer: str = ""
    tensor: str | None = None

    def __str__(self) -> str:
        return self.layer if self.tensor is None else self.tensor


@dataclass(frozen=True)
class NormTable:
    """Norms, steps × groups: NaN or infinite where a group is not finite, and of no meaning where `absent` says it is not there."""

    groups: Sequence[GroupName]
    norms: Matrix
    absent: Mask | None = None

    @cached_property
    def present(self) -> Mask:
        """Which groups each step has."""
        return np.ones(self.norms.shape, np.bool_) if self.absent is None else ~self.absent

    @cached_property
    def finite(self) -> Mask:
        """Which norms count: those that are there and finite."""
        found: Mask = self.present & np.isfinite(self.norms)
        return found

    @cached_property
    def samples(self) -> NormSamples:
        """All norms that are there."""
        return NormSamples(self.norms if self.absent is None else self.norms[self.present])

    def column(self, k: int) -> NormSamples:
        """Return the norms of one group."""
        return NormSamples(self.norms[:, k] if self.absent is None else self.norms[self.present[:, k], k])

    def summaries(self) -> Sequence[Summary]:
        """Summarise each group; the summaries are made when they are looked at."""
        if self.absent is None:
            return summaries(self.norms)
        return [self.column(k).summary() for k in range(self.norms.shape[1])]

    def longest_run(self, threshold: float, epsilon: float = 0.0) -> int:
        """Return the most steps on end in each of which something finite is above `threshold`."""
        above = self.finite & (self.norms + epsilon > threshold)
        steps: list[bool] = np.logical_or.reduce(above, axis=1).tolist()
        return max((sum(1 for _ in run) for clipped, run in groupby(steps) if clipped), default=0)


class ClippedElements(NamedTuple):
    """What is left of each tensor (steps × tensors) that is clipped element by element: L2 norm, and cosine with what it was."""

    norms: Matrix
    cosines: Matrix


class L2Norms(NamedTuple):
    """L2 norms of a series, for what strategies would do to it; `clipped` by the limit on elements."""

    total: NormTable
    layers: NormTable
    params: NormTable
    clipped: Mapping[float, ClippedElements]

    def of(self, group: Group) -> NormTable:
        """Return the L2 norms of the tensors that share a norm."""
        return _of_group(group, self.total, self.layers, self.params)


class SeriesNorms(NamedTuple):
    """The norms of a series, in the order of its steps; `max_abs` has the largest |g| of each tensor."""

    steps: Sequence[Step]
    total: NormTable
    layers: NormTable
    params: NormTable
    max_abs: NormTable
    l2: L2Norms | None = None  # where something is to be tried

    def compared(self, strategy: Strategy) -> NormTable:
        """Return what a strategy compares with its threshold or divides by: norms of the type asked for, L2 norms, or max |g|."""
        if strategy.group is Group.ELEMENT:
            return self.max_abs
        if not strategy.takes_norm and self.l2 is not None:
            return self.l2.of(strategy.group)
        return _of_group(strategy.group, self.total, self.layers, self.params)


def _of_group(group: Group, total: NormTable, layers: NormTable, params: NormTable) -> NormTable:
    return {Group.DUMP: total, Group.NONE: total, Group.LAYER: layers}.get(group, params)
