"""Make the tables of thresholds in `stats`: strategies to try, thresholds of single layers, and adaptive rules."""

from collections.abc import Sequence
from glob import escape

from gradclip_cli.render.tables.grid import Column, Grid, figure, layer_name, location, share
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.reports.stats_thresholds import OwnThreshold, ReplayGroup, ReplayStep, Tried
from gradclip_cli.text import printable

_WHAT_IF = (
    Column("strategy", text=True),
    Column("rule", rank=4),
    Column("threshold"),
    Column("clips"),
    Column("skips"),
    Column("mean\nfactor", rank=4),
    Column("energy\nlost", rank=1),
    Column("mean\ncosine"),
    Column("least\ncosine", rank=3),
    Column("clipped most", text=True, rank=2),
    Column("note", text=True),
)
_SKIPS = 4
"""The column with the share of steps that are skipped."""

_OWN = (Column("layer", text=True), Column("threshold"), Column("clips"))
_OWN_LAST = (Column("note", text=True, below=True), Column("option of apply", text=True, below=True))
_ADAPTIVE_STEPS = (
    Column("step"),
    Column("norm"),
    Column("threshold"),
    Column("factor"),
    Column("clipped"),
    Column("input", text=True),
)
_ADAPTIVE_GROUPS = (
    Column("samples", rank=1),
    Column("last\nnorm"),
    Column("last\nthreshold"),
    Column("clips"),
    Column("mean\nfactor", rank=1),
)


def what_if(rows: Sequence[Tried]) -> Grid:
    """Return the table of the strategies to try; it has columns of notes, and of what is skipped, only if there are any."""
    lines = [
        (
            row.strategy,
            row.rule or "-",
            figure(row.threshold),
            share(row.clip_rate),
            share(row.skip_rate),
            figure(row.mean_factor),
            share(row.lost_energy),
            figure(row.cosine),
            figure(row.least_cosine),
            _clipped_most(row),
            row.note or "",
        )
        for row in rows
    ]
    left_out = [] if any(row.note for row in rows) else [len(_WHAT_IF) - 1]
    left_out += [] if any(row.skip_rate is not None for row in rows) else [_SKIPS]
    shown = [k for k in range(len(_WHAT_IF)) if k not in left_out]
    return Grid(
        "what if", [_WHAT_IF[k] for k in shown], [tuple(line[k] for k in shown) for line in lines], optional=True
    )


def _clipped_most(row: Tried) -> str:
    if not row.layers:
        return "all alike" if row.clip_rate else ""
    return ", ".join(f"{printable(layer)} {share(rate)}" for layer, rate in row.layers.items())


def own(report: StatsReport) -> Grid:
    """Return the table of each layer's own threshold, with the option that gives it to `apply`.

    It has a column of notes only if there are notes.
    """
    rule, first = report.suggestions[0].rule, 0 if any(row.note for row in report.own) else 1
    lines = [
        (
            *(layer_name(row.layer, report.labels), figure(row.threshold), share(row.clip_rate)),
            *(row.note or "", _option(row))[first:],
        )
        for row in report.own
    ]
    columns = (*_OWN, *_OWN_LAST[first:])
    return Grid(f"each layer's own threshold for clip-l2-per-layer ({rule})", columns, lines, optional=True, grows=True)


def _option(row: OwnThreshold) -> str:
    """Format the option for a shell; return a dash if the name of the layer cannot be typed."""
    if row.threshold is None or not row.layer.isprintable():
        return "-"
    text = f"{escape(row.layer)}=:{row.threshold:.4g}".replace("'", "'\\''")
    return f"--layer '{text}'"


def adaptive(report: StatsReport) -> list[tuple[str, Grid]]:
    """Return the tables of an adaptive rule, which has a threshold for each step, each with its kind."""
    if report.replay:
        return [("step", _adaptive_steps(report, report.replay))]
    if report.replay_groups:
        return [_adaptive_groups(report, report.replay_groups)]
    return []


def _adaptive_steps(report: StatsReport, rows: Sequence[ReplayStep]) -> Grid:
    lines = [
        (
            "-" if row.step is None else str(row.step),
            figure(row.norm),
            figure(row.threshold),
            figure(row.factor),
            "-" if row.clipped is None else "skipped" if row.skipped else "yes" if row.clipped else "no",
            location(row.input),
        )
        for row in rows
    ]
    return Grid(f"{report.suggestions[0].rule} at each step: {rows[0].strategy}", _ADAPTIVE_STEPS, lines)


def _adaptive_groups(report: StatsReport, rows: Sequence[ReplayGroup]) -> tuple[str, Grid]:
    kind = "layer" if rows[0].name is None else "param"
    lines = [
        (
            layer_name(row.layer, report.labels) if row.name is None else printable(row.name),
            f"{row.samples:,}",
            figure(row.norm),
            figure(row.threshold),
            share(row.clip_rate),
            figure(row.mean_factor),
        )
        for row in rows
    ]
    title = f"{report.suggestions[0].rule} over {len(report.dumps):,} steps: {rows[0].strategy}"
    return kind, Grid(title, (Column(kind, text=True), *_ADAPTIVE_GROUPS), lines)
