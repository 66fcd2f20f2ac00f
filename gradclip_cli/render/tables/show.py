"""Make the tables of `show`: the blocks and tensors of a dump, and the bins of one tensor."""

from collections.abc import Sequence

from gradclip_cli.lazy_rows import LazyRows
from gradclip_cli.render.records import records
from gradclip_cli.render.tables.grid import Column, Grid, figure, layer_name, share
from gradclip_cli.reports.show import ShowBin, ShowBlock, ShowKind, ShowParam, ShowReport, ShowTotal
from gradclip_cli.text import printable

_FIGURES = (
    Column("norm"),
    Column("share", rank=1),
    Column("rms", rank=1),
    Column("max", field="max_abs"),
    Column("min\nabove 0", field="min_abs", rank=2),
    Column("zeros", rank=2),
    Column("NaN", field="nan"),
    Column("Inf", field="inf"),
)
_BINS = (
    Column("from", field="low"),
    Column("to", field="high"),
    Column("count"),
    Column("positive"),
    Column("negative"),
)


def grids(report: ShowReport, kinds: frozenset[str]) -> list[Grid]:
    """Return the tables of the given kinds."""
    total = ("total", *_figures(report.total, None))
    noun = report.block_noun
    blocks = LazyRows(lambda row: (layer_name(row.block, report.labels), *_figures(row, row.share)), report.blocks)
    kind_rows = LazyRows(lambda row: (printable(row.kind), *_figures(row, row.share)), report.module_kinds)
    params = LazyRows(lambda row: (printable(row.name), *_figures(row, row.share)), report.params)
    found = {
        "block": Grid(f"{noun}s by norm", _columns(noun, "block"), blocks, total, _above(report, "block"), "block"),
        "kind": Grid("kinds by norm", _columns("kind", "kind"), kind_rows, total, _above(report, "kind"), "kind"),
        "param": Grid("tensors by norm", _columns("param", "name"), params, total, _above(report, "param"), "param"),
        "total": Grid(_all_of(report), _columns("", "scope"), [total], records=records(report, "total"), scope="total"),
        "bin": Grid(
            "|g|", _BINS, [_bin(row) for row in report.bins or ()], records=records(report, "bin"), scope="bin"
        ),
    }
    return [grid for kind, grid in found.items() if kind in kinds and (kind != "bin" or grid.rows)]


def _all_of(report: ShowReport) -> str:
    """Say what the total is of."""
    if report.tensor is None:
        return "all of the dump"
    return printable(report.tensor) if report.values else f"all that match {printable(report.tensor)}"


def _columns(heading: str, field: str) -> Sequence[Column]:
    return [Column(heading, text=True, field=field), *_FIGURES]


def _above(report: ShowReport, scope: str) -> list[dict[str, object]]:
    """Return the records of one scope, followed by that of the total."""
    return [*records(report, scope), *records(report, "total")]


def _figures(row: ShowTotal | ShowBlock | ShowKind | ShowParam, of_square: float | None) -> tuple[str, ...]:
    counts = ("-" if number is None else f"{number:,}" for number in (row.zeros, row.nan, row.inf))
    sizes = (figure(value) for value in (row.rms, row.max_abs, row.min_abs))
    return (figure(row.norm), share(of_square), *sizes, *counts)


def _bin(row: ShowBin) -> tuple[str, ...]:
    counts = ("-" if number is None else f"{number:,}" for number in (row.count, row.positive, row.negative))
    return (figure(row.low), figure(row.high), *counts)
