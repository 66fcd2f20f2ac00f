"""Which part of a network the squared norm is in: what a threshold on the whole spends itself on."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.inputs.naming import block_of
from gradclip_cli.render.html.depth import depths
from gradclip_cli.render.html.heat import Values, columns_of, x_axis
from gradclip_cli.render.html.picture import NumberTable, Picture, View
from gradclip_cli.render.html.pooled import starts_of
from gradclip_cli.render.html.rows import NormMatrix, matrix_of, parts_of
from gradclip_cli.render.html.theme import NORM, SERIES
from gradclip_cli.render.tables.grid import figure, layer_name
from gradclip_cli.reports.run import RunReport
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.reports.stats_series import KIND
from gradclip_cli.text import percent, plural

_WIDTH, _HEIGHT = 560, 220
_DEEP = 4
"""Groups of numbered blocks at most; those of other layers have the colours that are left."""

_MOST_BARS = 24

Shares = NDArray[np.float64]


class _Group(NamedTuple):
    """Some layers by their index, under one name."""

    name: str
    layers: Sequence[int]


def picture(report: RunReport) -> Picture | None:
    """Draw the shares of groups of layers over steps, or of the blocks of one dump; None where norms have no shares."""
    stats = report.stats
    if stats.shares:
        return _of_one_dump(stats, report.by)
    named = stats.series and (stats.series.layers or stats.series.blocks)
    if not named or len(named.names) < 2 or not np.isfinite(stats.norm_type) or stats.norm_type <= 0:
        return None
    matrix = matrix_of(named)
    powers, total = _powers(matrix, stats.norm_type)
    if not (total > 0).any():
        return None
    means = powers.mean(axis=1, where=total > 0)
    groups = _kinds(matrix.layers, means, stats) if report.by == KIND else _groups(matrix.layers, means, stats.labels)
    shares = np.stack([powers[list(group.layers)].sum(axis=0) for group in groups])
    order = "By kind of module" if report.by == KIND else "By depth"
    linked, alone = (_view(groups, shares, total > 0, stats, order, linked=one) for one in (True, False))
    return Picture(
        _title(stats), _says(groups, shares[:, total > 0]), [linked], alone, [_table(groups, shares[:, total > 0])]
    )


def _title(stats: StatsReport) -> str:
    return "Share of the squared norm" if stats.norm_type == 2 else f"Share of the sum of |g|^{stats.norm_type:g}"


def _powers(matrix: NormMatrix, p: float) -> tuple[Shares, Shares]:
    """Return each layer's share of Σ|g|^p at each step, and the largest norm of a step; both are 0 where a step is not finite."""
    finite = (~matrix.present | np.isfinite(matrix.norms)).all(axis=0)
    norms = np.where(matrix.present & finite, matrix.norms, 0.0)
    top = norms.max(axis=0)
    scaled = (norms / np.where(top > 0, top, 1.0)) ** p
    sums = scaled.sum(axis=0)
    return scaled / np.where(sums > 0, sums, 1.0), top


def _groups(layers: Sequence[str], means: Shares, labels: dict[str, str]) -> list[_Group]:
    """Group layers: numbered blocks by depth, the others by block; of too many of those, the small ones are one group."""
    deep = depths(layers)
    blocks: dict[str, list[int]] = {}
    for one in deep:
        blocks.setdefault(one.block, []).append(one.layer)
    names, found = list(blocks), list[_Group]()
    size = -(-len(names) // _DEEP) or 1
    for start in range(0, len(names), size):
        part = names[start : start + size]
        name = part[0] if len(part) == 1 else f"{part[0]} to {part[-1]}"
        found.append(_Group(layer_name(name, labels), [layer for block in part for layer in blocks[block]]))
    rest: dict[str, list[int]] = {}
    for k in sorted(set(range(len(layers))) - {one.layer for one in deep}):
        rest.setdefault(block_of(layers[k]), []).append(k)
    others = [_Group(layer_name(name, labels), ks) for name, ks in rest.items()]
    return sorted([*found, *_largest(others, means, len(SERIES) - len(found))], key=lambda group: min(group.layers))


def _kinds(layers: Sequence[str], means: Shares, stats: StatsReport) -> list[_Group]:
    """Group layers by kind; of too many kinds, the small ones are one group."""
    kinds: dict[str, list[int]] = {}
    for k, kind in enumerate(parts_of(layers, stats, KIND)):
        kinds.setdefault(kind, []).append(k)
    return _largest([_Group(kind, found) for kind, found in kinds.items()], means, len(SERIES), KIND)


def _largest(groups: list[_Group], means: Shares, most: int, noun: str = "layer") -> list[_Group]:
    if len(groups) <= most:
        return groups
    order = sorted(groups, key=lambda group: -float(means[list(group.layers)].sum()))
    kept = {group.name for group in order[: most - 1]}
    left = [group for group in groups if group.name not in kept]
    rest = _Group(plural(len(left), f"other {noun}"), [layer for group in left for layer in group.layers])
    return [*(group for group in groups if group.name in kept), rest]


def _view(
    groups: Sequence[_Group], shares: Shares, known: NDArray[np.bool_], stats: StatsReport, order: str, *, linked: bool
) -> View:
    starts = starts_of(len(stats.dumps))
    counts = np.add.reduceat(known.astype(np.float64), starts)
    means = np.add.reduceat(shares, starts, axis=1) / np.maximum(counts, 1.0)
    columns = columns_of(stats.dumps, starts)
    names = [group.name for group in groups]
    cells = [
        [share if count else None for share, count in zip(row, counts.tolist(), strict=True)]
        for row in np.rint(1000 * means).astype(int).tolist()
    ]
    values = [{"g": at, "group": name, "s": row} for at, (name, row) in enumerate(zip(names, cells, strict=True))]
    x = x_axis(stats.dumps, linked=linked) | {"field": "at"}
    hue = {
        "field": "group",
        "type": "nominal",
        "title": None,
        "scale": {"domain": names, "range": list(SERIES[: len(names)])},
    }
    share = {
        "field": "share",
        "type": "quantitative",
        "stack": "zero",
        "title": None,
        "scale": {"domain": [0, 1], "nice": False},
    }
    told = [
        {"field": "group"},
        {"field": "steps", "title": "step", "type": "nominal"},
        {"field": "share", "format": ".1%"},
    ]
    gaps = "" if known.all() else " Where nothing is drawn, a norm is not finite, or all are 0."
    return {
        "title": {"text": _title(stats), "subtitle": [f"{order}, from the input on (below) to the output.{gaps}"]},
        "width": _WIDTH,
        "height": _HEIGHT,
        "data": {"values": values},
        "transform": _unfolded(columns),
        "mark": {"type": "area", "clip": True, "invalid": "break-paths-show-path-domains"},
        "encoding": {
            "x": x,
            "y": {**share, "axis": {"format": "%"}},
            "color": {**hue, "legend": {"labelLimit": 240, "orient": "right"}},
            "order": {"field": "g", "sort": "ascending"},
            "tooltip": told,
        },
    }


def _unfolded(columns: Values) -> list[dict[str, Any]]:
    """Return the transforms that make a datum of each group and column from the shares of groups, in thousandths."""
    return [
        {"flatten": ["s"]},
        {"window": [{"op": "row_number", "as": "k"}], "groupby": ["g"]},
        {"lookup": "k", "from": {"data": {"values": columns}, "key": "k", "fields": ["from", "to", "steps"]}},
        {"calculate": "(datum.from + datum.to) / 2", "as": "at"},
        {"calculate": "isValid(datum.s) ? datum.s / 1000 : null", "as": "share"},
    ]


def _says(groups: Sequence[_Group], shares: Shares) -> str:
    means = shares.mean(axis=1).tolist()
    top = max(range(len(groups)), key=means.__getitem__)
    return (
        f"{groups[top].name} holds the largest part, {percent(means[top])} on average; {plural(len(groups), 'group')}."
    )


def _table(groups: Sequence[_Group], shares: Shares) -> NumberTable:
    rows = [
        [
            group.name,
            f"{len(group.layers):,}",
            *map(percent, (float(part.mean()), float(part.min()), float(part.max()))),
        ]
        for group, part in zip(groups, shares, strict=True)
    ]
    return NumberTable("Shares of all steps that are finite", ["group", "layers", "mean", "smallest", "largest"], rows)


def _kind_shares(stats: StatsReport) -> list[tuple[str, float, float]]:
    """Return the kinds of one dump with their shares and norms, the largest first; none where a norm is not finite."""
    names, norms = zip(*((row.kind, row.summary.max) for row in stats.module_kinds), strict=True)
    matrix = NormMatrix(names, np.array(norms, np.float64)[:, None], np.ones((len(names), 1), np.bool_))
    powers, total = _powers(matrix, stats.norm_type)
    found = sorted(zip(names, powers[:, 0].tolist(), norms, strict=True), key=lambda one: -one[1])
    return found if total[0] > 0 else []


def _of_one_dump(stats: StatsReport, by: str) -> Picture | None:
    noun = KIND if by == KIND else stats.block_noun
    blocks = [(layer_name(row.block, stats.labels), row.share, row.norm) for row in stats.shares or ()]
    known = [(name, share, norm) for name, share, norm in blocks if share is not None]
    known = _kind_shares(stats) if known and by == KIND else known
    if not known:
        return None
    shown = [{"block": name, "share": share, "norm": figure(norm)} for name, share, norm in known[:_MOST_BARS]]
    x = {
        "field": "share",
        "type": "quantitative",
        "title": None,
        "axis": {"format": "%"},
        "scale": {"nice": False, "zero": True},
    }
    y = {"field": "block", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 180}}
    told = [{"field": "block"}, {"field": "share", "format": ".2%"}, {"field": "norm", "type": "nominal"}]
    left = f" The largest {_MOST_BARS} of {len(known):,}." if len(known) > _MOST_BARS else ""
    view: View = {
        "title": {"text": _title(stats), "subtitle": [f"By {noun}.{left}"]},
        "width": _WIDTH,
        "height": max(40, 16 * len(shown)),
        "data": {"values": shown},
        "mark": {"type": "bar", "color": NORM},
        "encoding": {"x": x, "y": y, "tooltip": told},
    }
    says = f"{known[0][0]} holds the largest part, {percent(known[0][1])}, of {plural(len(known), noun)}.{left}"
    rows = [[name, figure(norm), percent(share, 1)] for name, share, norm in known[:_MOST_BARS]]
    return Picture(_title(stats), says, [view], view, [NumberTable(f"Shares.{left}", [noun, "norm", "share"], rows)])
