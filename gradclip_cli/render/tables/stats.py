"""Make the tables of `stats`: norms of steps, params and layers, and the thresholds that they suggest."""

import math
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from gradclip_cli.lazy_rows import LazyRows
from gradclip_cli.render.records import Record, records
from gradclip_cli.render.tables import thresholds
from gradclip_cli.render.tables.grid import Column, Grid, figure, layer_name, location, share, step_number
from gradclip_cli.reports.stats import StatsBlock, StatsDump, StatsKind, StatsLayer, StatsParam, StatsReport
from gradclip_cli.reports.stats_thresholds import Advised, Candidate, Suggestion
from gradclip_cli.text import plural, printable
from gradclip_cli.thresholds.advised import NO_GRADIENT
from gradclip_cli.thresholds.base import Summary

_ALWAYS = "any"
"""The kind of a table that a user has asked for by another option than --by."""

_SUMMARY = {
    "count": 3,
    "mean": 0,
    "std": 2,
    "median": 0,
    "mad": 4,
    "min": 2,
    "max": 0,
    "p90": 1,
    "p95": 4,
    "p99": 1,
    "nonfinite": 3,
}
_SUGGESTED = (
    Column("strategy", text=True),
    Column("rule", rank=1),
    Column("samples", rank=2),
    Column("threshold"),
    Column("clips"),
    Column("mean\nfactor", rank=1),
    Column("band", rank=1),
    Column("note", text=True),
)
_CANDIDATES = (
    Column("strategy", text=True),
    Column("rule"),
    Column("threshold"),
    Column("clips"),
    Column("mean\nfactor", rank=1),
    Column("energy\nlost"),
    Column("longest\nrun", rank=1),
)


def without_gradients(report: StatsReport) -> str:
    """Say what there is where no dump has a gradient."""
    others = report.size.others if report.size is not None else {}
    held = [f"{plural(number, 'tensor')} of {dtype}" for dtype, number in others.items()]
    return f"no gradients: {', '.join(held)}" if held else NO_GRADIENT


def grids(report: StatsReport, kinds: frozenset[str]) -> list[Grid]:
    """Return the tables of the given kinds, suggested thresholds last; without gradients there is only a title."""
    if not report.holds_norms:
        return [Grid(without_gradients(report), (), [])]
    what = "dump" if report.source is None else "step"
    over = f"over {len(report.dumps):,} {what}s" if len(report.dumps) > 1 else f"in one {what}"
    beside = _Beside.of(report)
    norm, total = f"L{report.norm_type:g} norm", ("total", *_figures(report.total), *beside.blank)
    summary = [Column(name, rank=rank) for name, rank in _SUMMARY.items()]
    figures = [*summary, *beside.columns]
    params = LazyRows(lambda row: (printable(row.name), *_figures(row.summary), *beside.cells(row)), report.params)
    layers = LazyRows(
        lambda row: (layer_name(row.layer, report.labels), *_figures(row.summary), *beside.cells(row)), report.layers
    )
    blocks = LazyRows(
        lambda row: (layer_name(row.block, report.labels), *_figures(row.summary), *beside.cells(row)), report.blocks
    )
    kind_rows = LazyRows(
        lambda row: (printable(row.kind), *_figures(row.summary), *beside.cells(row)), report.module_kinds
    )
    param, layer, block, kind = (
        [Column(heading, text=True, field=field), *figures]
        for heading, field in (
            ("param", "name"),
            ("layer", "layer"),
            ("block", "block"),
            ("kind", "kind"),
        )
    )
    whole, of_norms = [Column("", text=True, field="scope"), *summary], total[: len(total) - len(beside.names)]
    found = [
        ("step", _steps(report, norm)),
        ("param", Grid(f"{norm} of each param {over}", param, params, total, _above(report, "param"), "param")),
        ("layer", Grid(f"{norm} of each layer {over}", layer, layers, total, _above(report, "layer"), "layer")),
        ("layer", thresholds.own(report)),
        ("block", Grid(f"{norm} of each block {over}", block, blocks, total, _above(report, "block"), "block")),
        ("kind", Grid(f"{norm} of each kind {over}", kind, kind_rows, total, _above(report, "kind"), "kind")),
        ("layer,step", _by_step(report, norm, "layer")),
        ("block,step", _by_step(report, norm, "block")),
        ("kind,step", _by_step(report, norm, "kind")),
        ("total", Grid(f"{norm} {over}", whole, [of_norms], records=records(report, "total"), scope="total")),
        ("total", _candidates(report.candidates)),
        *thresholds.adaptive(report),
        ("total", _suggestions(report)),
        (_ALWAYS, thresholds.what_if(report.tries or [])),
    ]
    return [grid for of, grid in found if of in (*kinds, _ALWAYS) and (grid.rows or not grid.optional)]


class _Beside(NamedTuple):
    """The columns of figures of weights that a table has: none, ratios, or these and update ratios."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, report: StatsReport) -> "_Beside":
        """Return the columns that a report has figures for."""
        if not any(dump.weight_norm is not None for dump in report.dumps):
            return cls(())
        return cls(("weight_norm", "ratio", *(["update_ratio"] if report.lr is not None else [])))

    @property
    def columns(self) -> list[Column]:
        """The columns."""
        return [Column(name.replace("_", "\n"), field=name) for name in self.names]

    @property
    def blank(self) -> tuple[str, ...]:
        """The cells of a total, which is of the norms of gradients."""
        return ("",) * len(self.names)

    def cells(self, row: StatsDump | StatsBlock | StatsKind | StatsLayer | StatsParam) -> list[str]:
        """Return the cells of a row."""
        return [figure(getattr(row, name)) for name in self.names]


def _by_step(report: StatsReport, norm: str, kind: str) -> Grid:
    """Return a table with a row for each layer, block or kind and each step."""
    every = {"layer": report.layer_steps, "block": report.block_steps, "kind": report.kind_steps}[kind]
    columns = (Column(kind, text=True), Column("step"), Column("norm"), Column("input", text=True))
    rows = LazyRows(
        lambda row: (
            layer_name(row[2], report.labels),
            step_number(row.step),
            figure(row.norm),
            location(row.input),
        ),
        every,
    )
    scope = f"{kind},step"
    return Grid(f"{norm} of each {kind} in each dump", columns, rows, records=records(report, scope), scope=scope)


def _above(report: StatsReport, scope: str) -> chain[Record]:
    """Return the records of one scope, followed by that of the total."""
    return chain(records(report, scope), records(report, "total"))


def _figures(summary: Summary) -> tuple[str, ...]:
    if summary.count == 1:
        one = figure(summary.mean)
        return ("1", one, "0", one, "0", *(one,) * 5, str(summary.nonfinite))
    values = [getattr(summary, name) for name in _SUMMARY]
    return tuple(figure(None if math.isnan(value) else value) for value in values)


def _steps(report: StatsReport, norm: str) -> Grid:
    largest = [Column("max |g|", field="max_abs")] if report.source is None else []  # of a log, only norms are known
    beside = _Beside.of(report)
    columns = [
        Column("step"),
        Column("norm"),
        *largest,
        Column("nonfinite"),
        *beside.columns,
        Column("input", text=True),
    ]
    rows = [
        (
            row.name or (step_number(row.step)),
            figure(row.norm),
            *([figure(row.max_abs)] if largest else []),
            f"{row.nonfinite:,}",
            *beside.cells(row),
            location(row.input),
        )
        for row in report.dumps
    ]
    what = "dump" if report.source is None else "step"
    return Grid(f"{norm} of each {what}", columns, rows, records=records(report, "step"), scope="step")


def _candidates(rows: Sequence[Candidate]) -> Grid:
    lines = [
        (
            row.strategy,
            row.rule,
            figure(row.threshold),
            share(row.clip_rate),
            figure(row.mean_factor),
            share(row.lost_energy),
            "-" if row.longest_run is None else f"{row.longest_run:,}",
        )
        for row in rows
    ]
    return Grid("what each rule would do", _CANDIDATES, lines)


def _suggestions(report: StatsReport) -> Grid:
    lines = [
        (
            row.strategy,
            row.rule,
            f"{row.samples:,}",
            figure(row.threshold),
            share(row.clip_rate),
            figure(row.mean_factor),
            "-" if row.band is None else f"{figure(row.band[0])} to {figure(row.band[1])}",
            _noted(row, report.advice),
        )
        for row in report.suggestions
    ]
    return Grid("suggested thresholds", _SUGGESTED, lines)


def _noted(row: Suggestion, advised: Advised | None) -> str:
    """Return the note of a suggestion, and the advised threshold if that is another one."""
    note = row.note or ""
    if advised is None or not advised.doubtful or advised.threshold is None or advised.strategy != row.strategy:
        return note
    other = f"{advised.rule} would be {figure(advised.threshold)}"
    if other in note:
        return note.replace(other, f"{other}, as advised")
    return "; ".join(filter(None, [note, f"advised: {figure(advised.threshold)} ({advised.rule})"]))
