"""Reports as grids of text, which tables of any kind can show."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from gradclip_cli.report import (
    ApplyDump,
    ApplyLayer,
    ApplyParam,
    ApplyReport,
    LsReport,
    Report,
    StatsReport,
    StrategiesReport,
    Suggestion,
)
from gradclip_cli.summary import Summary
from gradclip_cli.text import printable


class Column(NamedTuple):
    """A heading; `text` columns are set to the left and may be folded, the others are figures. The higher `rank`, the sooner left out."""

    heading: str
    text: bool = False
    rank: int = 0


class Grid(NamedTuple):
    """A titled table; `total` stands under a line."""

    title: str
    columns: tuple[Column, ...]
    rows: Sequence[tuple[str, ...]]
    total: tuple[str, ...] | None = None


def grids(report: Report, kinds: frozenset[str]) -> list[Grid]:
    """Return the tables of a report that are wanted."""
    if isinstance(report, ApplyReport):
        return [grid for dump in report.dumps for grid in _apply(dump)]
    if isinstance(report, StatsReport):
        return [grid for kind, grid in _stats(report) if kind in kinds]
    return [_ls(report) if isinstance(report, LsReport) else _strategies(report)]


def figure(value: float | None) -> str:
    """Write a figure with four significant digits."""
    return "-" if value is None else f"{value:.4g}"


_APPLY = (
    Column("norm before"),
    Column("norm after"),
    Column("factor"),
    Column("clipped"),
    Column("max |g| before"),
    Column("after", rank=1),
)


def _apply(dump: ApplyDump) -> list[Grid]:
    step = f"step {dump.step}, " if dump.step is not None else ""
    output = printable(dump.output) if dump.output else "nothing written"
    title = f"{printable(dump.input)} ({step}{output})"
    peaks = {
        row.layer: [param for param in dump.params if param.layer == row.layer and param.norm_before is not None]
        for row in dump.layers
    }
    total = dump.total
    clipped = f"{total.clipped_elements:,}" if total.groups is None else f"{total.clipped_groups:,} of {total.groups:,}"
    figures = (
        figure(total.norm_before),
        figure(total.norm_after),
        "",
        clipped,
        figure(total.max_abs_before),
        figure(total.max_abs_after),
    )
    return [
        Grid(
            f"{title}: layers",
            (Column("layer", text=True), *_APPLY),
            [_layer(row, peaks[row.layer]) for row in dump.layers],
            ("total", *figures),
        ),
        Grid(
            f"{title}: params",
            (Column("param", text=True), *_APPLY),
            [_param(row) for row in dump.params],
            ("total", *figures),
        ),
    ]


def _layer(row: ApplyLayer, params: Sequence[ApplyParam]) -> tuple[str, ...]:
    elements = sum(param.clipped_elements for param in params)
    some = [param for param in params if param.clipped]
    clipped = (
        "no"
        if not some
        else f"{elements:,}"
        if some[0].factor is None
        else "yes"
        if len(some) == len(params)
        else f"{len(some)} of {len(params)}"
    )
    before, after = (
        _largest([getattr(param, name) for param in params]) for name in ("max_abs_before", "max_abs_after")
    )
    return (
        printable(row.layer),
        figure(row.norm_before),
        figure(row.norm_after),
        figure(row.factor),
        clipped,
        before,
        after,
    )


def _param(row: ApplyParam) -> tuple[str, ...]:
    clipped = (
        "-"
        if row.norm_before is None
        else "no"
        if not row.clipped
        else f"{row.clipped_elements:,}"
        if row.factor is None
        else "yes"
    )
    figures = (row.norm_before, row.norm_after, row.factor)
    return (printable(row.name), *map(figure, figures), clipped, figure(row.max_abs_before), figure(row.max_abs_after))


def _largest(values: Sequence[float]) -> str:
    return figure(math.nan if any(math.isnan(value) for value in values) else max(values))


_SUMMARY = (
    ("count", 3),
    ("mean", 0),
    ("std", 2),
    ("median", 0),
    ("mad", 4),
    ("min", 2),
    ("max", 0),
    ("p90", 1),
    ("p95", 4),
    ("p99", 1),
    ("nonfinite", 3),
)


def _summary(summary: Summary) -> tuple[str, ...]:
    return tuple(
        "-" if math.isnan(value) else figure(value) for name, _ in _SUMMARY for value in [getattr(summary, name)]
    )


def _stats(report: StatsReport) -> list[tuple[str, Grid]]:
    columns = tuple(Column(name, rank=rank) for name, rank in _SUMMARY)
    norm = f"L{report.norm_type:g} norm"
    steps = [
        (
            "-" if dump.step is None else str(dump.step),
            figure(dump.norm),
            figure(dump.max_abs),
            str(dump.nonfinite),
            printable(dump.input),
        )
        for dump in report.dumps
    ]
    over = f"over {len(report.dumps):,} dumps" if len(report.dumps) > 1 else "in one dump"
    step = (Column("step"), Column("norm"), Column("max |g|"), Column("nonfinite"), Column("input", text=True))
    params = [(printable(row.name), *_summary(row.summary)) for row in report.params]
    layers = [(printable(row.layer), *_summary(row.summary)) for row in report.layers]
    total = ("total", *_summary(report.total))
    return [
        ("step", Grid(f"{norm} of each dump", step, steps)),
        ("param", Grid(f"{norm} of each param {over}", (Column("param", text=True), *columns), params, total)),
        ("layer", Grid(f"{norm} of each layer {over}", (Column("layer", text=True), *columns), layers, total)),
        ("total", Grid(f"{norm} {over}", (Column("", text=True), *columns), [total])),
        ("total", _suggestions(report.suggestions)),
    ]


def _suggestions(rows: Sequence[Suggestion]) -> Grid:
    columns = (
        Column("strategy", text=True),
        Column("rule", rank=1),
        Column("samples", rank=2),
        Column("threshold"),
        Column("clip rate"),
        Column("mean factor", rank=1),
        Column("band"),
        Column("note", text=True),
    )
    lines = [
        (
            row.strategy,
            row.rule,
            f"{row.samples:,}",
            figure(row.threshold),
            "-" if row.clip_rate is None else f"{row.clip_rate:.1%}",
            figure(row.mean_factor),
            "-" if row.band is None else f"{figure(row.band[0])} to {figure(row.band[1])}",
            row.note or "",
        )
        for row in rows
    ]
    return Grid("suggested thresholds", columns, lines)


def _ls(report: LsReport) -> Grid:
    several = len({row.input for row in report.tensors}) > 1
    columns = (
        *([Column("input", text=True)] if several else []),
        Column("name", text=True),
        Column("layer", text=True),
        Column("param", text=True),
        Column("shape"),
        Column("dtype"),
        Column("bytes"),
    )
    rows = [
        (
            *([printable(row.input)] if several else []),
            printable(row.name),
            printable(row.layer),
            printable(row.param),
            "×".join(map(str, row.shape)) or "scalar",
            row.dtype,
            f"{row.bytes:,}",
        )
        for row in report.tensors
    ]
    return Grid("tensors", columns, rows)


def _strategies(report: StrategiesReport) -> Grid:
    columns = (
        Column("name", text=True),
        Column("also accepted", text=True),
        Column("group"),
        Column("rule", text=True),
        Column("threshold"),
        Column("source", text=True),
    )
    rows = [
        (row.name, ", ".join(row.aliases), row.group, row.rule, "yes" if row.threshold else "no", row.source)
        for row in report.strategies
    ]
    return Grid("strategies", columns, rows)
