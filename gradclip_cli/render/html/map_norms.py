"""The norms that a map of a run is drawn from, with the figures that its words and its table take from them."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gradclip_cli.inputs.naming import block_of
from gradclip_cli.render.html.picture import NumberTable
from gradclip_cli.render.html.pooled import NONFINITE, ZERO, Cells, Norms, Pooled, cells_of, medians, pooled, starts_of
from gradclip_cli.render.html.rows import MapRows, NormMatrix, map_rows, matrix_of
from gradclip_cli.render.html.steps import name_of
from gradclip_cli.render.tables.grid import figure, layer_name
from gradclip_cli.reports.check import FirstRise
from gradclip_cli.reports.run import RunReport
from gradclip_cli.reports.stats import StatsDump
from gradclip_cli.text import plural, times

_MOST_FIRST = 6
"""Rows that are marked as the first to rise, at most."""


class Rise(NamedTuple):
    """What rose first, in which dump, and the labels of its rows; none where all rise together."""

    first: FirstRise
    dump: int
    labels: Sequence[str]


class MapNorms(NamedTuple):
    """Norms by layer and step, with the median of each layer, a cell for each norm, and the rows and cells of a map.

    Columns of the map begin at the dumps `starts`; `shown` are the layers as a reader sees them.
    """

    dumps: Sequence[StatsDump]
    matrix: NormMatrix
    usual: Norms
    every: Cells
    rows: MapRows
    cells: Pooled
    starts: Sequence[int]
    shown: Sequence[str]
    first: FirstRise | None

    def of_columns(self, most: int) -> "MapNorms":
        """Return the same with at most so many columns."""
        starts = starts_of(len(self.dumps), most)
        return self._replace(starts=starts, cells=pooled(self.every, self.rows.starts, starts))

    @property
    def rise(self) -> Rise | None:
        """What rose first."""
        dump = next((k for k, dump in enumerate(self.dumps) if self.first and dump.input == self.first.input), None)
        return None if self.first is None or dump is None else Rise(self.first, dump, self._rows_of(self.first, dump))

    def _rows_of(self, first: FirstRise, dump: int) -> Sequence[str]:
        """Return the label of the row that stands highest in a dump, of each block that rose first."""
        with np.errstate(invalid="ignore"):
            heights = (self.matrix.norms[:, dump] / self.usual).tolist()
        found = dict[str, None]()
        for name in first.names[:_MOST_FIRST]:
            layers = [k for k, layer in enumerate(self.matrix.layers) if name in (layer, block_of(layer))]
            if layers:
                top = max(layers, key=lambda k: (not math.isfinite(heights[k]), heights[k]))
                found[self.rows.labels[int(np.searchsorted(self.rows.starts, top, side="right")) - 1]] = None
        return list(found)

    def picked(self) -> str:
        """Return the label of the row to draw at first: one that rose first, or else the one that stands highest."""
        if self.rise and self.rise.labels:
            return self.rise.labels[0]
        cells = self.cells.cells
        return self.rows.labels[int(np.where(cells == NONFINITE, ZERO, cells).max(axis=1).argmax())]

    def tops(self) -> list[tuple[int, int]]:
        """Return for each row the layer and the dump of the finite norm that is highest over the median of its layer."""
        norms, present = self.matrix.norms, self.matrix.present
        heights = np.full(norms.shape, -2.0)
        known = present & np.isfinite(norms)
        with np.errstate(over="ignore"):  # a ratio beyond float64 stands highest
            np.divide(norms, self.usual[:, None], out=heights, where=known & (self.usual > 0)[:, None])
        heights[known & (norms == 0)] = -1.0
        dumps = heights.argmax(axis=1)
        highest = heights[np.arange(len(dumps)), dumps]
        ends = [*self.rows.starts[1:], len(dumps)]
        layers = [a + int(highest[a:b].argmax()) for a, b in zip(self.rows.starts, ends, strict=True)]
        return [(layer, int(dumps[layer])) for layer in layers]

    def height(self, layer: int, dump: int) -> float | None:
        """Return how many times its layer's median a norm is; None where there is no such figure."""
        norm, usual = float(self.matrix.norms[layer, dump]), float(self.usual[layer])
        return norm / usual if usual > 0 and math.isfinite(norm / usual) else None


def map_norms(report: RunReport) -> MapNorms | None:
    """Return the norms of a run's layers; None where only the whole is known, or one dump."""
    stats, series = report.stats, report.stats.series
    named = series and (series.layers or series.blocks)
    if not named or not named.names:
        return None
    matrix = matrix_of(named)
    rows = map_rows(matrix.layers, blocks_are_layers=stats.blocks_are_layers, labels=stats.labels)
    matrix, rows = matrix.of_layers(rows.order), rows._replace(order=range(len(rows.order)))
    usual, starts = medians(matrix.norms), starts_of(len(stats.dumps))
    every = cells_of(matrix.norms, matrix.present, usual)
    cells = pooled(every, rows.starts, starts)
    shown = [layer_name(layer, stats.labels) for layer in matrix.layers]
    return MapNorms(stats.dumps, matrix, usual, every, rows, cells, starts, shown, stats.first or report.check.first)


def table_of(norms: MapNorms) -> NumberTable:
    """Return the median and the highest norm of each row, of the layer that rises highest where a row has several."""
    rows, values, present = norms.rows, norms.matrix.norms, norms.matrix.present
    lost, zero = (present & ~np.isfinite(values)).sum(axis=1), (present & (values == 0)).sum(axis=1)
    found = []
    for name, (layer, dump) in zip(rows.names, norms.tops(), strict=True):
        usual, height = float(norms.usual[layer]), norms.height(layer, dump)
        rise = "-" if height is None else times(height)
        figures = [
            figure(usual if usual > 0 else None),
            figure(float(values[layer, dump])),
            name_of(norms.dumps[dump]),
            rise,
        ]
        names = [name] if rows.are_layers else [name, norms.shown[layer]]
        found.append([*names, *figures, f"{lost[layer]:,}", f"{zero[layer]:,}"])
    names = ["layer"] if rows.are_layers else [rows.noun, "layer"]
    caption = "Norms of layers" + ("" if rows.are_layers else f": of each {rows.noun}, the layer that rises highest")
    return NumberTable(
        f"{caption}; medians are those of norms above 0",
        [*names, "median", "largest", "at step", "rise", "dumps not finite", "dumps 0"],
        found,
    )


def sentence_of(norms: MapNorms) -> str:
    """Say which layer rises highest over its median, and how many are not finite somewhere."""
    values, present = norms.matrix.norms, norms.matrix.present
    layer, dump = max(norms.tops(), key=lambda top: norms.height(*top) or -1.0)
    height = norms.height(layer, dump)
    found = f"{plural(len(norms.shown), 'layer')} over {plural(len(norms.dumps), 'dump')}"
    if height:
        step = name_of(norms.dumps[dump])
        found += f": {norms.shown[layer]} rises highest over its median, {times(height)} at step {step}"
    lost = int((present & ~np.isfinite(values)).any(axis=1).sum())
    return f"{found}; {plural(lost, 'layer')} not finite at some step." if lost else f"{found}."
