"""The tables of `stats` that look ahead: what was to be tried, and each layer's own threshold."""

from collections.abc import Sequence

from gradclip_cli.render.grid import Column, Grid, figure, named, share
from gradclip_cli.report import OwnThreshold, StatsReport, Tried
from gradclip_cli.text import printable

_TRIED = (
    Column("strategy", text=True),
    Column("rule", rank=4),
    Column("threshold"),
    Column("clips"),
    Column("mean\nfactor", rank=4),
    Column("energy\nlost", rank=1),
    Column("mean\ncosine"),
    Column("least\ncosine", rank=3),
    Column("clipped most", text=True, rank=2),
    Column("note", text=True),
)
_OWN = (Column("layer", text=True), Column("threshold"), Column("clips"))
_OWN_LAST = (Column("note", text=True, below=True), Column("option of apply", text=True, below=True))


def tried(rows: Sequence[Tried]) -> Grid:
    """Return the table of what was to be tried; the notes take room only where there are any."""
    lines = [
        (
            row.strategy,
            row.rule or "-",
            figure(row.threshold),
            share(row.clip_rate),
            figure(row.mean_factor),
            share(row.lost_energy),
            figure(row.cosine),
            figure(row.least_cosine),
            _clipped_most(row),
            row.note or "",
        )
        for row in rows
    ]
    shown = len(_TRIED) if any(row.note for row in rows) else -1
    return Grid("what if", _TRIED[:shown], [line[:shown] for line in lines], optional=True)


def _clipped_most(row: Tried) -> str:
    if not row.layers:
        return "all alike" if row.clip_rate else ""
    return ", ".join(f"{printable(layer)} {share(rate)}" for layer, rate in row.layers.items())


def own(report: StatsReport) -> Grid:
    """Return the table of each layer's own threshold, with what `apply` is to be told of it.

    Notes take room only where there are any.
    """
    rule, first = report.suggestions[0].rule, 0 if any(row.note for row in report.own) else 1
    lines = [
        (
            *(named(row.layer, report.labels), figure(row.threshold), share(row.clip_rate)),
            *(row.note or "", _option(row))[first:],
        )
        for row in report.own
    ]
    columns = (*_OWN, *_OWN_LAST[first:])
    return Grid(f"each layer's own threshold for clip-l2-per-layer ({rule})", columns, lines, optional=True)


def _option(row: OwnThreshold) -> str:
    """Write the option for a shell; nothing where the layer's name cannot be typed."""
    if row.threshold is None or not row.layer.isprintable():
        return "-"
    pattern = "".join(f"[{c}]" if c in "*?[" else c for c in row.layer)
    text = f"{pattern}=:{row.threshold:.4g}".replace("'", "'\\''")
    return f"--layer '{text}'"
