"""Two runs side by side: the norm of each layer in one over its norm in the other, at each step that both have."""

from collections.abc import Sequence

import numpy as np

from gradclip_cli.render.html.heat import colour
from gradclip_cli.render.html.heat_map import HeatMap, shown_names
from gradclip_cli.render.html.picture import NumberTable, Picture, View
from gradclip_cli.render.html.pooled import FEWER_COLUMNS, NONFINITE, ZERO, cells_of, pooled_ratios
from gradclip_cli.render.html.rows import NormMatrix, matrix_by, rows_by
from gradclip_cli.render.html.steps import are_numbered, name_of
from gradclip_cli.render.tables.grid import figure
from gradclip_cli.reports.run import RunReport
from gradclip_cli.reports.stats import StatsDump
from gradclip_cli.text import plural, printable
from gradclip_cli.thresholds.samples import median

_TITLE = "This run over the other one"


def picture(report: RunReport) -> Picture | None:
    """Draw the ratio of two runs' norms; None for one run, and where they have no layer or no step in common."""
    other = report.against
    mine, theirs = matrix_by(report.stats, report.by), matrix_by(other, report.by)
    if other is None or mine is None or theirs is None or without_ratio(report):
        return None
    layers = _shared(mine, theirs)
    heat = _ratios(report, mine.of_layers(_places(mine, layers)), theirs.of_layers(_places(theirs, layers)))
    linked, alone = _view(heat, linked=True), _view(heat.of_columns(FEWER_COLUMNS), linked=False)
    return Picture(_TITLE, _says(heat), [linked], alone, [_table(heat)])


def without_ratio(report: RunReport) -> str:
    """Say why two runs have no ratio to draw; empty where they have one, for one run, and where only the whole is known of both."""
    other = report.against
    mine, theirs = matrix_by(report.stats, report.by), matrix_by(other, report.by)
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


def _places(matrix: NormMatrix, layers: Sequence[str]) -> list[int]:
    place = {layer: k for k, layer in enumerate(matrix.layers)}
    return [place[layer] for layer in layers]


def matched(mine: Sequence[StatsDump], theirs: Sequence[StatsDump]) -> list[tuple[int, int]]:
    """Return which dumps belong together: those of one step, or where dumps have no steps, those of one place."""
    if not (are_numbered(mine) and are_numbered(theirs)):
        return [(k, k) for k in range(min(len(mine), len(theirs)))]
    place = {dump.step: k for k, dump in enumerate(theirs) if dump.step is not None}
    return [(k, place[dump.step]) for k, dump in enumerate(mine) if dump.step in place]


def _ratios(report: RunReport, mine: NormMatrix, theirs: NormMatrix) -> HeatMap:
    stats, others = report.stats, report.against.dumps if report.against is not None else []
    rows = rows_by(mine.layers, stats, report.by)
    a, b = (list(part) for part in zip(*matched(stats.dumps, others), strict=True))
    mine, theirs = mine.of_layers(rows.order), theirs.of_layers(rows.order)
    above, below = mine.norms[:, a], theirs.norms[:, b]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratios = np.where((above == 0) & (below == 0), 1.0, above / below)  # both 0: they are the same
    cells = cells_of(ratios, mine.present[:, a] & theirs.present[:, b], np.ones(len(ratios)))
    rows, shown = rows._replace(order=range(len(rows.order))), shown_names(mine.layers, stats)
    return HeatMap.of([stats.dumps[k] for k in a], shown, ratios, cells, rows, pooled_ratios)


def _view(heat: HeatMap, *, linked: bool) -> View:
    subtitle = heat.subtitle("differs most", nonfinite="not finite here, or 0 there", zero="0 here")
    shade = colour("norm here over norm there", heat.cells)
    return {**heat.data(), **heat.view(_TITLE, subtitle, shade, heat.told("ratio"), linked=linked)}


def _tops(heat: HeatMap) -> list[tuple[int, int]]:
    """Return for each row the layer and the dump whose ratio is farthest from 1."""
    away = np.abs(heat.every)
    return heat.tops(np.where(away < -ZERO, away, -1))


def _ratio(heat: HeatMap, layer: int, dump: int) -> float | None:
    return float(heat.figures[layer, dump]) if abs(int(heat.every[layer, dump])) < -ZERO else None


def _middle(heat: HeatMap, layer: int) -> float | None:
    known = heat.figures[layer][np.abs(heat.every[layer]) < -ZERO]
    return median(known) if known.size else None


def _says(heat: HeatMap) -> str:
    both = f"{plural(len(heat.shown), heat.rows.part)} and {plural(len(heat.dumps), 'step')} in both runs"
    layer, dump = max(_tops(heat), key=lambda top: abs(np.log(_ratio(heat, *top) or 1.0)))
    ratio = _ratio(heat, layer, dump)
    lost = int((heat.every == NONFINITE).any(axis=1).sum())
    more = f"; {plural(lost, heat.rows.part)} without a ratio somewhere" if lost else ""
    if ratio is None or ratio == 1:
        return f"{both}, whose norms are the same{more}."
    step = name_of(heat.dumps[dump])
    return f"{both}; {heat.shown[layer]} differs most, {figure(ratio)} times the other at step {step}{more}."


def _table(heat: HeatMap) -> NumberTable:
    rows = [
        [
            *heat.named(row, layer),
            *(figure(_middle(heat, layer)), figure(_ratio(heat, layer, dump)), name_of(heat.dumps[dump])),
        ]
        for row, (layer, dump) in enumerate(_tops(heat))
    ]
    heads = [*heat.heads, "median ratio", "farthest from 1", "at step"]
    return NumberTable("Norms of this run over the other's", heads, rows)
