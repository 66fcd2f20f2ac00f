"""Ratios of the norms of gradients to those of weights: of the dump, and of each block, layer and tensor."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.commands.stats.beside import BesideTables
from gradclip_cli.commands.stats.layout import SeriesLayout
from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.commands.stats.rows import block_norms
from gradclip_cli.lazy_rows import Coded
from gradclip_cli.reports.ratios import Ratio
from gradclip_cli.thresholds.exact_sums import group_norms
from gradclip_cli.thresholds.norm_table import GroupName, NormTable
from gradclip_cli.thresholds.samples import median


class RatioTable(NamedTuple):
    """The L2 norms of weights and of gradients, steps × groups, and the learning rate if it is known."""

    weights: NormTable
    norms: NormTable
    lr: float | None

    def of_steps(self) -> list[Ratio]:
        """Return the figures of each step, of a table of one group."""
        pairs = zip(self.weights.norms[:, 0].tolist(), self.norms.norms[:, 0].tolist(), strict=True)
        there = self.weights.present[:, 0].tolist()
        return [
            Ratio.of(weight, _ratio(norm, weight), self.lr) if known else Ratio()
            for (weight, norm), known in zip(pairs, there, strict=True)
        ]

    def medians(self) -> list[Ratio]:
        """Return the medians of each group over the steps that have it and where its ratio is a finite number."""
        with np.errstate(all="ignore"):
            ratios = self.norms.norms / self.weights.norms
        there = self.norms.present & np.isfinite(self.weights.norms)
        known = there & np.isfinite(ratios)
        return [
            Ratio.of(_median(self.weights.norms[there[:, k], k]), _median(ratios[known[:, k], k]), self.lr)
            for k in range(ratios.shape[1])
        ]

    def joined(self, names: Sequence[str]) -> "RatioTable":
        """Return the table of layers of the same name together; `names` has one for each group of this table."""
        return RatioTable(self.weights.joined(names, 2.0), self.norms.joined(names, 2.0), self.lr)


def columns_of(table: RatioTable | None, rows: int) -> list[Sequence[float | None]]:
    """Return the columns of the figures of `Ratio`, one for each row; of None where there are no weights."""
    if table is None:
        return [Coded([None], np.zeros(rows, np.int8))] * len(Ratio._fields)
    return [list(column) for column in zip(*table.medians(), strict=True)] or [[]] * len(Ratio._fields)


class WeightRatios(NamedTuple):
    """The tables of a series with weights."""

    total: RatioTable
    blocks: RatioTable
    layers: RatioTable
    params: RatioTable

    @classmethod
    def of(cls, found: BesideTables, layout: SeriesLayout, plan: StatsPlan) -> "WeightRatios":
        """Combine the norms of tensors into those of layers, blocks and the dump."""
        if found.weights is None or found.norms is None:
            raise ValueError("there are no weights")
        pair = found.weights, found.norms
        layers = [_layers(table, layout) for table in pair]
        blocks = [block_norms(table, plan.selection.naming, 2.0) for table in layers]
        total = [_total(table) for table in pair]
        return cls(*(RatioTable(weights, norms, plan.lr) for weights, norms in (total, blocks, layers, pair)))


def _total(table: NormTable) -> NormTable:
    """Return the norm of each step; it is absent where all tensors are."""
    if not table.groups:
        return NormTable([GroupName()], np.zeros((len(table.norms), 1)))
    absent = None if table.absent is None else np.logical_and.reduce(table.absent, axis=1)[:, None]
    return NormTable([GroupName()], group_norms(table.norms, [0]), absent)


def _layers(table: NormTable, layout: SeriesLayout) -> NormTable:
    starts = layout.whole.starts[:-1]
    absent = None if table.absent is None else np.logical_and.reduceat(table.absent, starts, axis=1)
    return NormTable([GroupName(layer) for layer in layout.layers], group_norms(table.norms, starts), absent)


def _median(values: NDArray[np.float64]) -> float | None:
    if len(values) < 2:  # as in each of a hundred thousand tensors of one dump
        return values.item(0) if len(values) else None
    return median(values)


def _ratio(norm: float, weight: float) -> float | None:
    found = norm / weight if weight and np.isfinite(weight) else None
    return found if found is not None and np.isfinite(found) else None
