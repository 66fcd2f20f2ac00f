"""Two runs side by side: the norm of each layer in one over its norm in the other, at each step that both have."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gradclip_cli.render.html.heat import (
    WIDTH,
    Values,
    above,
    cell_layers,
    colour,
    columns_of,
    height_of,
    legend_of,
    row_values,
    unfolded,
    x_axis,
)
from gradclip_cli.render.html.picture import NumberTable, Picture, View
from gradclip_cli.render.html.pooled import (
    FEWER_COLUMNS,
    NONFINITE,
    ZERO,
    Cells,
    Norms,
    Pooled,
    cells_of,
    pooled_ratios,
    starts_of,
)
from gradclip_cli.render.html.rows import MapRows, NormMatrix, map_rows, matrix_of
from gradclip_cli.render.html.steps import are_numbered, name_of
from gradclip_cli.render.tables.grid import figure, layer_name
from gradclip_cli.reports.run import RunReport
from gradclip_cli.reports.stats import StatsDump, StatsReport
from gradclip_cli.text import plural, printable

_TITLE = "This run over the other one"


class _Ratios(NamedTuple):
    """The ratios of what two runs have in common (layers × steps), as figures and as cells."""

    dumps: Sequence[StatsDump]
    shown: Sequence[str]
    ratios: Norms
    cells: Cells
    rows: MapRows
    found: Pooled
    starts: Sequence[int]


def picture(report: RunReport) -> Picture | None:
    """Draw the ratio of two runs' norms; None for one run, and where they have no layer or no step in common."""
    other = report.against
    mine, theirs = _matrix(report.stats), _matrix(other)
    if other is None or mine is None or theirs is None or without_ratio(report):
        return None
    steps, layers = matched(report.stats.dumps, other.dumps), _shared(mine, theirs)
    ratios = _ratios(
        report.stats, mine.of_layers(_places(mine, layers)), theirs.of_layers(_places(theirs, layers)), steps
    )
    linked, alone = _view(ratios, linked=True), _view(_of_columns(ratios, FEWER_COLUMNS), linked=False)
    return Picture(_TITLE, _says(ratios), [linked], alone, [_table(ratios)])


def without_ratio(report: RunReport) -> str:
    """Say why two runs have no ratio to draw; empty where they have one, for one run, and where only the whole is known of both."""
    other = report.against
    mine, theirs = _matrix(report.stats), _matrix(other)
    if other is None or (mine is None and theirs is None):
        return ""
    if mine is None or theirs is None:
        return "norms of layers over steps are known of one run only"
    if not _shared(mine, theirs):
        here, there = (printable(one.layers[0]) for one in (mine, theirs))
        return f"no layer has the same name in both runs, such as {here} in this one and {there} in the other"
    return "" if len(matched(report.stats.dumps, other.dumps)) > 1 else "fewer than two steps are in both runs"


def _shared(mine: NormMatrix, theirs: NormMatrix) -> list[str]:
    there = set(theirs.layers)
    return [layer for layer in mine.layers if layer in there]


def _of_columns(ratios: _Ratios, most: int) -> _Ratios:
    starts = starts_of(len(ratios.dumps), most)
    return ratios._replace(starts=starts, found=pooled_ratios(ratios.cells, ratios.rows.starts, starts))


def _matrix(stats: StatsReport | None) -> NormMatrix | None:
    named = stats and stats.series and (stats.series.layers or stats.series.blocks)
    return matrix_of(named) if named and named.names else None


def _places(matrix: NormMatrix, layers: Sequence[str]) -> list[int]:
    place = {layer: k for k, layer in enumerate(matrix.layers)}
    return [place[layer] for layer in layers]


def matched(mine: Sequence[StatsDump], theirs: Sequence[StatsDump]) -> list[tuple[int, int]]:
    """Return which dumps belong together: those of one step, or where dumps have no steps, those of one place."""
    if not (are_numbered(mine) and are_numbered(theirs)):
        return [(k, k) for k in range(min(len(mine), len(theirs)))]
    place = {dump.step: k for k, dump in enumerate(theirs) if dump.step is not None}
    return [(k, place[dump.step]) for k, dump in enumerate(mine) if dump.step in place]


def _ratios(stats: StatsReport, mine: NormMatrix, theirs: NormMatrix, steps: Sequence[tuple[int, int]]) -> _Ratios:
    rows = map_rows(mine.layers, blocks_are_layers=stats.blocks_are_layers, labels=stats.labels)
    a, b = (list(part) for part in zip(*steps, strict=True))
    mine, theirs = mine.of_layers(rows.order), theirs.of_layers(rows.order)
    above, below = mine.norms[:, a], theirs.norms[:, b]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratios = np.where((above == 0) & (below == 0), 1.0, above / below)  # both 0: they are the same
    cells = cells_of(ratios, mine.present[:, a] & theirs.present[:, b], np.ones(len(ratios)))
    dumps, starts = [stats.dumps[k] for k in a], starts_of(len(a))
    rows = rows._replace(order=range(len(rows.order)))
    shown = [layer_name(layer, stats.labels) for layer in mine.layers]
    return _Ratios(dumps, shown, ratios, cells, rows, pooled_ratios(cells, rows.starts, starts), starts)


def _view(found: _Ratios, *, linked: bool) -> View:
    x, columns = x_axis(found.dumps, linked=linked), columns_of(found.dumps, found.starts)
    several = not found.rows.are_layers
    row = [{"field": "name", "title": found.rows.noun}] if several else []
    told: Values = [*row, {"field": "layer"}, {"field": "steps", "title": "step"}, {"field": "times", "title": "ratio"}]
    cells = cell_layers(x, found.rows, found.found, columns, colour("norm here over norm there", found.found), told)
    highest = ", shown by the layer of it that differs most" if several else ""
    legend = [
        line.replace("not finite", "not finite here, or 0 there").replace(": 0", ": 0 here")
        for line in legend_of(found.found)
    ]
    return {
        "title": {"text": _TITLE, "subtitle": [f"Each row is a {found.rows.noun}{highest}.", *legend]},
        "data": {"values": row_values(found.rows, found.shown, found.found)},
        "transform": unfolded(columns, several=several),
        "width": WIDTH,
        "height": height_of(found.rows),
        "layer": [*cells, *above(x, found.rows, found.found, columns)],
    }


def _tops(found: _Ratios) -> list[tuple[int, int]]:
    """Return for each row the layer and the dump whose ratio is farthest from 1."""
    away = np.where(np.abs(found.cells) < -ZERO, np.abs(found.cells), -1)
    dumps = away.argmax(axis=1)
    most = away[np.arange(len(dumps)), dumps]
    ends = [*found.rows.starts[1:], len(dumps)]
    layers = [a + int(most[a:b].argmax()) for a, b in zip(found.rows.starts, ends, strict=True)]
    return [(layer, int(dumps[layer])) for layer in layers]


def _ratio(found: _Ratios, layer: int, dump: int) -> float | None:
    return float(found.ratios[layer, dump]) if abs(int(found.cells[layer, dump])) < -ZERO else None


def _middle(found: _Ratios, layer: int) -> float | None:
    known = found.ratios[layer][np.abs(found.cells[layer]) < -ZERO]
    return float(np.median(known)) if known.size else None


def _says(found: _Ratios) -> str:
    both = f"{plural(len(found.shown), 'layer')} and {plural(len(found.dumps), 'step')} in both runs"
    layer, dump = max(_tops(found), key=lambda top: abs(np.log(_ratio(found, *top) or 1.0)))
    ratio = _ratio(found, layer, dump)
    lost = int((found.cells == NONFINITE).any(axis=1).sum())
    more = f"; {plural(lost, 'layer')} without a ratio somewhere" if lost else ""
    if ratio is None or ratio == 1:
        return f"{both}, whose norms are the same{more}."
    step = name_of(found.dumps[dump])
    return f"{both}; {found.shown[layer]} differs most, {figure(ratio)} times the other at step {step}{more}."


def _table(found: _Ratios) -> NumberTable:
    names = ["layer"] if found.rows.are_layers else [found.rows.noun, "layer"]
    rows = []
    for name, (layer, dump) in zip(found.rows.names, _tops(found), strict=True):
        who = [name] if found.rows.are_layers else [name, found.shown[layer]]
        rows.append(
            [*who, figure(_middle(found, layer)), figure(_ratio(found, layer, dump)), name_of(found.dumps[dump])]
        )
    return NumberTable(
        "Norms of this run over the other's", [*names, "median ratio", "farthest from 1", "at step"], rows
    )
