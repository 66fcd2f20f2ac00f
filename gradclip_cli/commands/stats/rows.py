"""Reduce the dumps of a series to rows of norms, and stack these into matrices: a dump may lack tensors of the series."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.commands.stats.dump_norms import DumpL2, DumpNorms, KeptRow, KeptRows, Reduced, dump_norms, sums_for
from gradclip_cli.commands.stats.plan import StatsPlan
from gradclip_cli.inputs.naming import Naming, natural
from gradclip_cli.lazy_rows import LazyRows
from gradclip_cli.numerics.groups import Groups
from gradclip_cli.numerics.statistics_table import StatsTable
from gradclip_cli.thresholds.norm_table import ClippedElements, Counts, GroupName, L2Norms, NormTable, SeriesNorms, Step
from gradclip_cli.thresholds.samples import Mask, Matrix

Columns = NDArray[np.int32]


class RowLayout(NamedTuple):
    """Tensors of a series by number, those of a layer side by side.

    `starts` has the place of the first tensor of each layer, and the number of tensors at the end.
    """

    columns: Columns
    layers: list[str]
    starts: list[int]

    @classmethod
    def of(cls, columns: Iterable[int], layers: Sequence[str]) -> "RowLayout":
        """Arrange tensors by their layers, in the order given; `layers` has that of each tensor of the series."""
        found: dict[str, list[int]] = {}
        for column in columns:
            found.setdefault(layers[column], []).append(column)
        starts = np.cumsum([0, *map(len, found.values())]).tolist()
        return cls(np.array([*chain.from_iterable(found.values())], np.int32), list(found), starts)

    @classmethod
    def of_all(cls, layers: Sequence[str]) -> "RowLayout":
        """Arrange all tensors of a series by their layers, in natural order."""
        rank = {layer: k for k, layer in enumerate(sorted(set(layers), key=natural))}
        return cls.of(sorted(range(len(layers)), key=lambda column: rank[layers[column]]), layers)


class NormRow(NamedTuple):
    """The norms of one dump, in the order of a layout."""

    layout: RowLayout
    norms: DumpNorms

    @classmethod
    def of(
        cls,
        step: Step,
        stats: StatsTable,
        pieces: Sequence[Sequence[int]],
        layout: RowLayout,
        plan: StatsPlan,
        kept: KeptRows,
        *,
        first: bool = False,
    ) -> "NormRow":
        """Reduce a dump to norms, which `kept` takes, each merged from all pieces at once, so that it is rounded once.

        `pieces` has the indices into `stats` of each tensor, in the order of the layout. Only of the first dump are elements
        counted, since counts are shown of a single one.
        """
        types = sums_for(plan)
        groups, starts = Groups.of(pieces), np.array(layout.starts)
        params = stats.merge_groups(groups, types)
        if len(layout.layers) == len(groups):
            layers = params
        elif groups.are_single:
            layers = params.merge_groups(Groups(np.arange(len(groups)), starts), types)
        else:
            layers = stats.merge_groups(Groups(groups.members, groups.starts[starts]), types)
        norms = dump_norms(step, Reduced(stats.total(types), layers, params), plan, kept)
        return cls(layout, norms._replace(counts=Counts(params.elements, params.zeros)) if first else norms)


def stacked(
    rows: Sequence[NormRow], kept: KeptRows, whole: RowLayout, groups: Sequence[GroupName], plan: StatsPlan
) -> SeriesNorms:
    """Stack rows in the order given; `whole` lays out all tensors of the series, which `groups` names in that order."""
    norms, layers = [row.norms for row in rows], LazyRows(GroupName, whole.layers)
    by_param = _Stack.of([row.layout.columns for row in rows], whole.columns, kept)
    by_layer = _Stack.of([row.layout.layers for row in rows], whole.layers, kept)
    empty = np.array([[row.params.start == row.params.stop] for row in norms]) & bool(len(groups))

    def tables(found: Sequence[DumpNorms] | Sequence[DumpL2]) -> tuple[NormTable, NormTable, NormTable]:
        total = NormTable([GroupName()], np.array([[row.total] for row in found]), empty if empty.any() else None)
        params = by_param.table(groups, [row.params for row in found])
        if by_layer.places is by_param.places is None and all(row.layers is row.params for row in found):
            return total, params.renamed(layers), params
        return total, by_layer.table(layers, [row.layers for row in found]), params

    l2 = [row.l2 for row in norms if row.l2 is not None]
    total, of_layers, of_params = tables(norms)
    return SeriesNorms(
        [row.step for row in norms],
        total,
        of_layers,
        of_params,
        by_param.table(groups, [row.max_abs for row in norms]),
        block_norms(of_layers, plan.selection.naming, plan.norm.type),
        L2Norms(*tables(l2), _clipped(l2, by_param)) if l2 else None,
        norms[0].counts if len(norms) == 1 else None,
    )


class _Stack(NamedTuple):
    """How rows become a matrix of `width` columns: the columns of the values of each row, None if all have all in order."""

    places: Sequence[Columns] | None
    width: int
    absent: Mask | None
    kept: KeptRows

    @classmethod
    def of(cls, rows: Sequence[Columns] | Sequence[list[str]], whole: Columns | list[str], kept: KeptRows) -> "_Stack":
        """Find the places of what each row has among what all rows have."""
        alike = all(row is rows[0] for row in rows)
        if alike and (rows[0] is whole or list(rows[0]) == list(whole)):
            return cls(None, len(whole), None, kept)
        place = {one: k for k, one in enumerate(whole)}
        places = [np.array([place[one] for one in row], np.int32) for row in rows]
        absent = np.ones((len(rows), len(whole)), np.bool_)
        for row, where in zip(absent, places, strict=True):
            row[where] = False
        return cls(places, len(whole), absent if absent.any() else None, kept)

    def matrix(self, values: Sequence[KeptRow], otherwise: float = 0.0) -> Matrix:
        """Stack rows of values; what a row lacks is `otherwise`."""
        if self.places is None:
            return self.kept.matrix(values, self.width)
        found = np.full((len(values), self.width), otherwise)
        for row, where, own in zip(found, self.places, values, strict=True):
            row[where] = self.kept.of(own)
        return found

    def table(self, groups: Sequence[GroupName], values: Sequence[KeptRow]) -> NormTable:
        """Stack rows of norms."""
        return NormTable(groups, self.matrix(values), self.absent)


def _clipped(rows: Sequence[DumpL2], stack: _Stack) -> dict[float, ClippedElements]:
    """Stack the tensors after elementwise clipping; what a dump lacks counts as unchanged."""
    pairs = {limit: zip(*(row.clipped[limit] for row in rows), strict=True) for limit in rows[0].clipped}
    return {
        limit: ClippedElements(stack.matrix(norms), stack.matrix(cosines, 1.0))
        for limit, (norms, cosines) in pairs.items()
    }


def block_names(layers: Sequence[str], naming: Naming) -> dict[str, str]:
    """Return the block of each layer, each given once.

    >>> block_names(["h.0.a", "h.0.b", "lstm"], Naming())
    {'h.0.a': 'h.0', 'h.0.b': 'h.0', 'lstm': 'lstm'}
    """
    return {layer: naming.block(layer) for layer in layers}


def block_norms(layers: NormTable, naming: Naming, p: float) -> NormTable:
    """Return the P-norm of each block at each step, in the order of their first layers.

    It is the table of layers itself where each layer is a block of its own. A block is absent where all of its layers are.
    """
    return layers.joined([naming.block(group.layer) for group in layers.groups], p)
