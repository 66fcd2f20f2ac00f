"""The ratios of gradients to weights that a picture is drawn from, with the figures that its words and its table take from them."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gradclip_cli.checks import RATIO
from gradclip_cli.render.html.heat_map import HeatMap, shown_names
from gradclip_cli.render.html.picture import NumberTable
from gradclip_cli.render.html.pooled import Norms, cells_of
from gradclip_cli.render.html.rows import NormMatrix, joined, parts_of, rows_by
from gradclip_cli.render.html.steps import name_of
from gradclip_cli.render.tables.grid import figure
from gradclip_cli.reports.run import RunReport
from gradclip_cli.reports.stats import StatsDump
from gradclip_cli.text import capital, plural
from gradclip_cli.thresholds.samples import Mask, Matrix, median

USUAL = 1e-3
"""The update ratio that people look for."""


class StandsOut(NamedTuple):
    """Where `check` finds a ratio that stands out: in which row of which dump, how far above its limit, and whether of the whole."""

    row: int | None
    dump: int
    times: float
    whole: bool


class WeightRatios(NamedTuple):
    """The ratios of a run: of the whole, one for each dump, and of the layers of a map, or of what takes their place.

    `weights` are the norms of their weights (layers × dumps). `middle` is usual, and in the middle of the colours: of update
    ratios what people look for, else the median of all. `word` is what a ratio is called, `formula` how it is computed.
    """

    whole: Matrix
    matrix: NormMatrix
    weights: Norms
    heat: HeatMap
    found: Sequence[StandsOut]
    middle: float
    word: str
    formula: str

    @property
    def dumps(self) -> Sequence[StatsDump]:
        """The dumps of the run."""
        return self.heat.dumps

    @property
    def lost(self) -> Mask:
        """The dumps in which the gradients or the weights are not finite, and not those whose weights are 0 or missing."""
        found: Mask = np.isnan(self.whole) & np.array([bool(dump.weight_norm) for dump in self.dumps])
        return found

    @property
    def is_update(self) -> bool:
        """Whether the learning rate is known."""
        return self.word != "ratio"


def weight_ratios(report: RunReport) -> WeightRatios | None:
    """Return the ratios of a run; None without weights, and where no layer has a ratio above 0."""
    stats, beside = report.stats, report.stats.beside
    if beside is None or not beside.norms.names:
        return None
    norms, weights = (joined(one, stats, report.by, 2.0) for one in beside)
    matrix = _of(norms, weights, stats.lr)
    rows = rows_by(matrix.layers, stats, report.by)
    matrix, weights = matrix.of_layers(rows.order), weights.of_layers(rows.order)
    rows = rows._replace(order=range(len(rows.order)))
    known = above_zero(matrix)
    if not known.any():
        return None
    update = stats.lr is not None
    middle = USUAL if update else float(f"{median(matrix.norms[known]):.2g}")
    cells = cells_of(matrix.norms, matrix.present, np.full(len(matrix.layers), middle))
    heat = HeatMap.of(stats.dumps, shown_names(matrix.layers, stats), matrix.norms, cells, rows)
    whole = np.array([dump.update_ratio if update else dump.ratio for dump in stats.dumps], np.float64)  # None is NaN
    parts = dict(zip(beside.norms.names, parts_of(beside.norms.names, stats, report.by), strict=True))
    found = list(_findings(report, parts, matrix.layers))
    word, formula = ("update ratio", f"lr · |g| / |w|, lr {stats.lr:g}") if update else ("ratio", "|g| / |w|")
    return WeightRatios(whole, matrix, weights.norms, heat, found, middle, word, formula)


def _of(norms: NormMatrix, weights: NormMatrix, lr: float | None) -> NormMatrix:
    """Return ratios, update ratios where the learning rate is known.

    They are absent where the weights are 0 or there are none, and NaN where the gradients or the weights are not finite.
    """
    there = norms.present & weights.present & (weights.norms != 0)
    with np.errstate(over="ignore", invalid="ignore"):
        finite = np.isfinite(norms.norms) & np.isfinite(weights.norms)
        found = np.divide(norms.norms, weights.norms, out=np.full(norms.norms.shape, np.nan), where=there & finite)
        return NormMatrix(norms.layers, found if lr is None else lr * found, there)


def above_zero(matrix: NormMatrix) -> Mask:
    """Say which ratios a logarithmic axis can show."""
    found: Mask = matrix.present & np.isfinite(matrix.norms) & (matrix.norms > 0)
    return found


def _findings(report: RunReport, parts: dict[str, str], names: Sequence[str]) -> Iterator[StandsOut]:
    """Yield each dump in which `check` finds a ratio that stands out; `parts` has the row of each layer by name."""
    row, dumps = {name: k for k, name in enumerate(names)}, report.stats.dumps
    numbered = sorted((dump.step, k) for k, dump in enumerate(dumps) if dump.step is not None)
    steps = [step for step, _ in numbered]
    for one in report.check.findings:
        if one.rule != RATIO:
            continue
        where = [k for a, b in one.steps for _, k in numbered[bisect_left(steps, a) : bisect_right(steps, b)]]
        for k in where or [k for k, dump in enumerate(dumps) if dump.input == one.input]:
            times = one.worst / (one.limit or 1.0)
            yield StandsOut(row.get(parts.get(one.layer or "", "")), k, times, one.block is None)


def _tops(ratios: WeightRatios) -> list[tuple[int, int]]:
    """Return for each row the layer and the dump of its largest finite ratio."""
    matrix = ratios.matrix
    return ratios.heat.tops(np.where(matrix.present & np.isfinite(matrix.norms), matrix.norms, -1.0))


def _middle(values: Matrix, known: Mask) -> float | None:
    return median(values[known]) if known.any() else None


def table_of(ratios: WeightRatios) -> NumberTable:
    """Return the median and the largest ratio of each row, of the layer that has the largest where a row has several.

    Of one dump it has the only one. What no row has is no column.
    """
    heat, matrix, single = ratios.heat, ratios.matrix, len(ratios.dumps) == 1
    known, out = matrix.present & np.isfinite(matrix.norms), Counter(one.row for one in ratios.found)
    rows, usual = [], "" if single else "median "
    for row, (layer, dump) in enumerate(_tops(ratios)):
        there = known[layer]
        middles = [figure(_middle(values[layer], there)) for values in (ratios.weights, matrix.norms)]
        top = [figure(float(matrix.norms[layer, dump])), name_of(ratios.dumps[dump])] if there[dump] else ["-", "-"]
        counts = [f"{number:,}" for number in (out[layer], int((~there).sum()))]
        rows.append([*heat.named(row, layer), *middles, *([] if single else [*top, *counts])])
    heads = [*heat.heads, f"{usual}|w|", f"{usual}{ratios.word}"]
    heads += [] if single else ["largest", "at step", "dumps that stand out", "dumps without"]
    kept = [k for k, head in enumerate(heads) if "dumps" not in head or {row[k] for row in rows} != {"0"}]
    caption = f"{capital(ratios.word)}s of {heat.rows.part}s: {ratios.formula}"
    caption += f"; of each {heat.rows.noun}, the {heat.rows.part} with the largest" if heat.several else ""
    return NumberTable(caption, [heads[k] for k in kept], [[row[k] for k in kept] for row in rows])


def sentence_of(ratios: WeightRatios) -> str:
    """Say how large the ratio of the whole is, which layer has the largest, and what stands out."""
    heat, matrix, known = ratios.heat, ratios.matrix, np.isfinite(ratios.whole)
    found = f"{plural(len(heat.shown), heat.rows.part)} over {plural(len(ratios.dumps), 'dump')}"
    if known.any():
        top = int(np.where(known, ratios.whole, -1.0).argmax())
        most = (
            f", largest {figure(float(ratios.whole[top]))} at step {name_of(ratios.dumps[top])}"
            if len(known) > 1
            else ""
        )
        middle = "median " if len(known) > 1 else ""
        found += f": the {ratios.word} of the whole is {middle}{figure(_middle(ratios.whole, known))}{most}"
    finite = matrix.present & np.isfinite(matrix.norms)
    middles = [_middle(row, there) for row, there in zip(matrix.norms, finite, strict=True)]
    layer = max(range(len(middles)), key=lambda k: middles[k] or 0.0)
    found += f"; {heat.shown[layer]} has the largest{' median' if len(known) > 1 else ''}, {figure(middles[layer])}"
    out = len({one.dump for one in ratios.found})
    return f"{found}; {plural(out, 'dump')} with a ratio that stands out." if out else f"{found}."
