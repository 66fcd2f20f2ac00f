"""The norms that a map of a run is drawn from, with the figures that its words and its table take from them."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gradclip_cli.inputs.naming import block_of
from gradclip_cli.render.html.heat_map import HeatMap, shown_names
from gradclip_cli.render.html.picture import NumberTable
from gradclip_cli.render.html.pooled import NONFINITE, ZERO, Norms, cells_of, medians
from gradclip_cli.render.html.rows import NormMatrix, matrix_by, rows_by
from gradclip_cli.render.html.steps import name_of
from gradclip_cli.render.tables.grid import figure
from gradclip_cli.reports.check import FirstRise
from gradclip_cli.reports.run import RunReport
from gradclip_cli.text import plural, times

_MOST_FIRST = 6
"""Rows that are marked as the first to rise, at most."""


class Rise(NamedTuple):
    """What rose first, in which dump, and the labels of its rows; none where all rise together."""

    first: FirstRise
    dump: int
    labels: Sequence[str]


class MapNorms(NamedTuple):
    """Norms by layer and step, with the median of each layer, and the map of each norm over that."""

    matrix: NormMatrix
    usual: Norms
    heat: HeatMap
    first: FirstRise | None

    @property
    def rise(self) -> Rise | None:
        """What rose first."""
        dump = next(
            (k for k, dump in enumerate(self.heat.dumps) if self.first and dump.input == self.first.input), None
        )
        return None if self.first is None or dump is None else Rise(self.first, dump, self._rows_of(self.first, dump))

    def _rows_of(self, first: FirstRise, dump: int) -> Sequence[str]:
        """Return the label of the row that stands highest in a dump, of each block that rose first."""
        with np.errstate(invalid="ignore"):
            heights = (self.matrix.norms[:, dump] / self.usual).tolist()
        found, rows = dict[str, None](), self.heat.rows
        for name in first.names[:_MOST_FIRST]:
            layers = [k for k, layer in enumerate(self.matrix.layers) if name in (layer, block_of(layer))]
            if layers:
                top = max(layers, key=lambda k: (not math.isfinite(heights[k]), heights[k]))
                found[rows.labels[int(np.searchsorted(rows.starts, top, side="right")) - 1]] = None
        return list(found)

    def picked(self) -> str:
        """Return the label of the row to draw at first: one that rose first, or else the one that stands highest."""
        if self.rise and self.rise.labels:
            return self.rise.labels[0]
        cells = self.heat.cells.cells
        return self.heat.rows.labels[int(np.where(cells == NONFINITE, ZERO, cells).max(axis=1).argmax())]

    def tops(self) -> list[tuple[int, int]]:
        """Return for each row the layer and the dump of the finite norm that is highest over the median of its layer."""
        norms, present = self.matrix.norms, self.matrix.present
        heights = np.full(norms.shape, -2.0)
        known = present & np.isfinite(norms)
        with np.errstate(over="ignore"):  # a ratio beyond float64 stands highest
            np.divide(norms, self.usual[:, None], out=heights, where=known & (self.usual > 0)[:, None])
        heights[known & (norms == 0)] = -1.0
        return self.heat.tops(heights)

    def height(self, layer: int, dump: int) -> float | None:
        """Return how many times its layer's median a norm is; None where there is no such figure."""
        norm, usual = float(self.matrix.norms[layer, dump]), float(self.usual[layer])
        return norm / usual if usual > 0 and math.isfinite(norm / usual) else None


def map_norms(report: RunReport) -> MapNorms | None:
    """Return the norms of a run's layers, blocks or kinds; None where only the whole is known, or one dump."""
    stats = report.stats
    matrix = matrix_by(stats, report.by)
    if matrix is None:
        return None
    rows = rows_by(matrix.layers, stats, report.by)
    matrix, rows = matrix.of_layers(rows.order), rows._replace(order=range(len(rows.order)))
    usual = medians(matrix.norms)
    every = cells_of(matrix.norms, matrix.present, usual)
    heat = HeatMap.of(stats.dumps, shown_names(matrix.layers, stats), matrix.norms, every, rows)
    return MapNorms(matrix, usual, heat, stats.first or report.check.first)


def table_of(norms: MapNorms) -> NumberTable:
    """Return the median and the highest norm of each row, of the layer that rises highest where a row has several."""
    heat, values, present = norms.heat, norms.matrix.norms, norms.matrix.present
    lost, zero = (present & ~np.isfinite(values)).sum(axis=1), (present & (values == 0)).sum(axis=1)
    found = []
    for row, (layer, dump) in enumerate(norms.tops()):
        usual, height = float(norms.usual[layer]), norms.height(layer, dump)
        rise = "-" if height is None else times(height)
        figures = [
            figure(usual if usual > 0 else None),
            figure(float(values[layer, dump])),
            name_of(heat.dumps[dump]),
            rise,
        ]
        found.append([*heat.named(row, layer), *figures, f"{lost[layer]:,}", f"{zero[layer]:,}"])
    caption = f"Norms of {heat.rows.part}s"
    caption += f": of each {heat.rows.noun}, the {heat.rows.part} that rises highest" if heat.several else ""
    return NumberTable(
        f"{caption}; medians are those of norms above 0",
        [*heat.heads, "median", "largest", "at step", "rise", "dumps not finite", "dumps 0"],
        found,
    )


def sentence_of(norms: MapNorms) -> str:
    """Say which layer rises highest over its median, and how many are not finite somewhere."""
    heat, values, present = norms.heat, norms.matrix.norms, norms.matrix.present
    layer, dump = max(norms.tops(), key=lambda top: norms.height(*top) or -1.0)
    height, part = norms.height(layer, dump), heat.rows.part
    found = f"{plural(len(heat.shown), part)} over {plural(len(heat.dumps), 'dump')}"
    if height:
        step = name_of(heat.dumps[dump])
        found += f": {heat.shown[layer]} rises highest over its median, {times(height)} at step {step}"
    lost = int((present & ~np.isfinite(values)).any(axis=1).sum())
    return f"{found}; {plural(lost, part)} not finite at some step." if lost else f"{found}."
