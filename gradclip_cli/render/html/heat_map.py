"""A map of figures by layer and step, whatever they are: what it is drawn from, and its view, whose words are given."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gradclip_cli.render.html.heat import (
    WIDTH,
    Values,
    above,
    cell_layers,
    columns_of,
    height_of,
    legend_of,
    row_values,
    unfolded,
    x_axis,
)
from gradclip_cli.render.html.picture import View
from gradclip_cli.render.html.pooled import Cells, Norms, Pooled, pooled, starts_of
from gradclip_cli.render.html.rows import MapRows
from gradclip_cli.render.tables.grid import layer_name
from gradclip_cli.reports.stats import StatsDump, StatsReport

Pool = Callable[[Cells, Sequence[int], Sequence[int]], Pooled]


class HeatMap(NamedTuple):
    """Figures by layer and step (layers × steps), a cell for each of them, and the rows and cells of a map.

    Columns of the map begin at the dumps `starts`; `shown` are the layers as a reader sees them. Blocks or kinds of modules may
    take the place of layers. `pool` says which of several cells stands for all.
    """

    dumps: Sequence[StatsDump]
    shown: Sequence[str]
    figures: Norms
    every: Cells
    rows: MapRows
    cells: Pooled
    starts: Sequence[int]
    pool: Pool = pooled

    @classmethod
    def of(
        cls,
        dumps: Sequence[StatsDump],
        shown: Sequence[str],
        figures: Norms,
        every: Cells,
        rows: MapRows,
        pool: Pool = pooled,
    ) -> "HeatMap":
        """Make a map of as many columns as a page shows; layers are in the order of its rows."""
        starts = starts_of(len(dumps))
        return cls(dumps, shown, figures, every, rows, pool(every, rows.starts, starts), starts, pool)

    def of_columns(self, most: int) -> "HeatMap":
        """Return the same with at most so many columns."""
        starts = starts_of(len(self.dumps), most)
        return self._replace(starts=starts, cells=self.pool(self.every, self.rows.starts, starts))

    @property
    def columns(self) -> Values:
        """Where each column is, and which steps it holds."""
        return columns_of(self.dumps, self.starts)

    def tops(self, heights: Norms) -> list[tuple[int, int]]:
        """Return for each row the layer and the dump that stand highest (heights: layers × steps)."""
        dumps = heights.argmax(axis=1)
        highest = heights[np.arange(len(dumps)), dumps]
        ends = [*self.rows.starts[1:], len(dumps)]
        layers = [a + int(highest[a:b].argmax()) for a, b in zip(self.rows.starts, ends, strict=True)]
        return [(layer, int(dumps[layer])) for layer in layers]

    @property
    def heads(self) -> list[str]:
        """The heads of the columns of a table that name its rows."""
        return [self.rows.part] if self.rows.are_layers else [self.rows.noun, self.rows.part]

    def named(self, row: int, layer: int) -> list[str]:
        """Return the cells under these heads."""
        return [self.rows.names[row], *([] if self.rows.are_layers else [self.shown[layer]])]

    def told(self, title: str, *figures: Mapping[str, Any]) -> Values:
        """Return what a cell tells when it is pointed at; `title` is what its ratio is called."""
        part = {"field": "layer", **({} if self.rows.part == "layer" else {"title": self.rows.part})}
        row = [] if self.rows.are_layers else [{"field": "name", "title": self.rows.noun}]
        cell = [{"field": "steps", "title": "step"}, {"field": "times", "title": title}]
        return [*row, part, *cell, *map(dict, figures)]

    def data(self, more: Sequence[Mapping[str, Any]] | None = None, unit: float = 1.0) -> View:
        """Return the data of a view, with `more` for each row; ratios are told times a `unit`."""
        values = row_values(self.rows, self.shown, self.cells, more)
        return {
            "data": {"values": values},
            "transform": unfolded(self.columns, self.cells, several=self.several, unit=unit),
        }

    @property
    def several(self) -> bool:
        """Whether a row may have several layers."""
        return not self.rows.are_layers

    def subtitle(self, highest: str, more: str = "", **words: str) -> list[str]:
        """Say what a row is, and of several layers which one it shows; then, in `words`, what cells are that are no ratio."""
        shown = f", shown by the {self.rows.part} of it that {highest}" if self.several else ""
        return [f"Each row is a {self.rows.noun}{shown}.{more}", *legend_of(self.cells, **words)]

    def view(
        self, title: str, subtitle: Sequence[str], shade: Mapping[str, Any], told: Values, *, linked: bool
    ) -> View:
        """Return the map without its data; its first layer is the empty ground of each row."""
        x, columns = x_axis(self.dumps, linked=linked), self.columns
        cells = cell_layers(x, self.rows, self.cells, columns, shade, told)
        return {
            "title": {"text": title, "subtitle": list(subtitle)},
            "width": WIDTH,
            "height": height_of(self.rows),
            "layer": [*cells, *above(x, self.rows, self.cells, columns)],
        }


def shown_names(layers: Sequence[str], stats: StatsReport) -> list[str]:
    """Return layers as a reader sees them, with the labels of their framework."""
    return [layer_name(layer, stats.labels) for layer in layers]
