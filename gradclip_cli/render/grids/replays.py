"""The tables of a rule that has a threshold for each step: its steps, or what became of each layer or tensor."""

from collections.abc import Sequence

from gradclip_cli.render.grid import Column, Grid, figure, named, place, share
from gradclip_cli.report import ReplayGroup, ReplayStep, StatsReport
from gradclip_cli.text import printable

_STEPS = (
    Column("step"),
    Column("norm"),
    Column("threshold"),
    Column("factor"),
    Column("clipped"),
    Column("input", text=True),
)
_FIGURES = (
    Column("samples", rank=1),
    Column("last\nnorm"),
    Column("last\nthreshold"),
    Column("clips"),
    Column("mean\nfactor", rank=1),
)


def replays(report: StatsReport) -> list[tuple[str, Grid]]:
    """Return the tables that there are, each with its kind."""
    if report.replay:
        return [("step", _steps(report, report.replay))]
    if report.replay_groups:
        return [_groups(report, report.replay_groups)]
    return []


def _steps(report: StatsReport, rows: Sequence[ReplayStep]) -> Grid:
    lines = [
        (
            "-" if row.step is None else str(row.step),
            figure(row.norm),
            figure(row.threshold),
            figure(row.factor),
            "-" if row.clipped is None else "yes" if row.clipped else "no",
            place(row.input),
        )
        for row in rows
    ]
    return Grid(f"{report.suggestions[0].rule} at each step: {rows[0].strategy}", _STEPS, lines)


def _groups(report: StatsReport, rows: Sequence[ReplayGroup]) -> tuple[str, Grid]:
    kind = "layer" if rows[0].name is None else "param"
    lines = [
        (
            named(row.layer, report.labels) if row.name is None else printable(row.name),
            f"{row.samples:,}",
            figure(row.norm),
            figure(row.threshold),
            share(row.clip_rate),
            figure(row.mean_factor),
        )
        for row in rows
    ]
    title = f"{report.suggestions[0].rule} over {len(report.dumps):,} steps: {rows[0].strategy}"
    return kind, Grid(title, (Column(kind, text=True), *_FIGURES), lines)
