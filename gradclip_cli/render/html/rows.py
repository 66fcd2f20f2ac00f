"""Choose the rows of a map: layers, blocks or kinds in the order of a forward pass, or neighbours where these are too many."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.checks.forward_order import forward_key
from gradclip_cli.inputs.naming import block_of, kind_of
from gradclip_cli.render.screens.names import shortened
from gradclip_cli.render.tables.grid import layer_name
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.reports.stats_series import BLOCK, KIND, LAYER, NamedNorms
from gradclip_cli.text import plural
from gradclip_cli.thresholds.norm_table import GroupName, NormTable, StepRows

MOST_ROWS = 160
"""Rows of a map at most: more are thinner than the pixels of a screen."""

_LABEL = 17
"""The width of names beside a map, in characters."""

Norms = NDArray[np.float64]


class NormMatrix(NamedTuple):
    """Norms by layer and step (layers × steps), the layers in the order of a forward pass; NaN too where one is absent.

    Blocks or kinds of modules may take the place of layers.
    """

    layers: Sequence[str]
    norms: Norms
    present: NDArray[np.bool_]

    def of_layers(self, order: Sequence[int]) -> "NormMatrix":
        """Return some layers in another order; itself where the order is the same."""
        if list(order) == list(range(len(self.layers))):
            return self
        return NormMatrix([self.layers[k] for k in order], self.norms[list(order)], self.present[list(order)])

    def in_order(self) -> "NormMatrix":
        """Return the layers in the order of a forward pass."""
        return self.of_layers(sorted(range(len(self.layers)), key=lambda k: forward_key(self.layers[k])))

    @property
    def table(self) -> NormTable:
        """The same as a table, steps × layers."""
        absent = None if self.present.all() else ~self.present.T
        return NormTable([*map(GroupName, self.layers)], np.where(self.present, self.norms, 0.0).T, absent)

    @classmethod
    def of(cls, table: NormTable) -> "NormMatrix":
        """Return a table as a matrix, its groups in their order."""
        norms, present = np.ascontiguousarray(table.norms.T), np.ascontiguousarray(table.present.T)
        return cls([*map(str, table.groups)], norms, present)


class MapRows(NamedTuple):
    """The rows of a map: row k holds the layers `order[starts[k] : starts[k + 1]]`, the last one all that are left.

    `names` are those of the rows, `labels` the same, short and all different, `noun` says what a row is. Blocks or kinds of
    modules may take the place of layers; `part` says what is in a row.
    """

    order: Sequence[int]
    starts: Sequence[int]
    names: Sequence[str]
    labels: Sequence[str]
    noun: str
    part: str = LAYER

    @property
    def are_layers(self) -> bool:
        """Whether each row is one layer, or what takes its place."""
        return len(self.starts) == len(self.order)

    def layers_of(self, row: int) -> Sequence[int]:
        """Return the layers of a row."""
        return self.order[self.starts[row] : [*self.starts, len(self.order)][row + 1]]


def matrix_of(norms: NamedNorms) -> NormMatrix:
    """Return the norms of a series as arrays."""
    if isinstance(norms.norms, StepRows):
        return NormMatrix.of(norms.norms.table).in_order()
    present = np.array([[norm is not None for norm in row] for row in norms.norms], np.bool_)
    return NormMatrix(norms.names, np.array(norms.norms, np.float64), present).in_order()  # None becomes NaN


def parts_of(layers: Sequence[str], stats: StatsReport, by: str) -> list[str]:
    """Return for each layer the block or the kind that it is a part of, or itself."""
    if by == KIND:
        return [*map(kind_of, layers)]
    return [block_of(layer) for layer in layers] if by == BLOCK and not stats.blocks_are_layers else [*layers]


def matrix_by(stats: StatsReport | None, by: str) -> NormMatrix | None:
    """Return the norms of a series by layer, block or kind; None where it has none."""
    named = stats and stats.series and (stats.series.layers or stats.series.blocks)
    if not named or not named.names or stats is None:
        return None
    return joined(named, stats, by, stats.norm_type)


def joined(named: NamedNorms, stats: StatsReport, by: str, p: float) -> NormMatrix:
    """Return the P-norms of layers, or of the blocks or kinds that they are parts of, in the order of their first layers."""
    matrix = matrix_of(named)
    parts = parts_of(matrix.layers, stats, by)
    return matrix if parts == list(matrix.layers) else NormMatrix.of(matrix.table.joined(parts, p))


def rows_by(layers: Sequence[str], stats: StatsReport, by: str) -> MapRows:
    """Choose rows for layers, or for the blocks or kinds that take their place."""
    part = LAYER if by == BLOCK and stats.blocks_are_layers else by
    return map_rows(layers, blocks_are_layers=stats.blocks_are_layers, labels=stats.labels, part=part)


def map_rows(
    layers: Sequence[str],
    *,
    blocks_are_layers: bool,
    labels: dict[str, str],
    most: int = MOST_ROWS,
    part: str = LAYER,
) -> MapRows:
    """Choose rows for some layers: each layer if they are few, else each block, else as many neighbours as it takes.

    If it is blocks or kinds that are given, `part` says so.

    >>> found = map_rows(["embed", "h.0.a", "h.0.b", "h.1.a"], blocks_are_layers=False, labels={}, most=3)
    >>> found.names, found.starts, found.noun
    (['embed', 'h.0', 'h.1'], [0, 1, 3], 'block')
    """
    if len(layers) <= most:
        names = [layer_name(layer, labels) for layer in layers]
        return _named([[k] for k in range(len(layers))], names, part, part)
    blocks: dict[str, list[int]] = {}
    for k, layer in enumerate(layers):
        blocks.setdefault(layer if blocks_are_layers else block_of(layer), []).append(k)
    if part == LAYER and len(blocks) <= most:
        return _named(blocks.values(), [layer_name(name, labels) for name in blocks], BLOCK, part)
    size = -(-len(layers) // most)
    groups = [range(start, min(start + size, len(layers))) for start in range(0, len(layers), size)]
    names = [f"{layer_name(layers[group[0]], labels)} to {layer_name(layers[group[-1]], labels)}" for group in groups]
    return _named(groups, names, f"group of {plural(size, f'neighbouring {part}')}", part)


def _named(groups: Iterable[Sequence[int]], names: list[str], noun: str, part: str) -> MapRows:
    several = list(groups)
    starts = np.cumsum([0, *(len(group) for group in several)])[:-1].tolist()
    short = shortened(names, _LABEL)
    if len(set(short)) < len(short):  # names that differ only in what does not print
        short = [f"{name} #{k}" for k, name in enumerate(short, 1)]
    return MapRows([k for group in several for k in group], starts, names, short, noun, part)
