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
_BESIDE = (
    Column("weight\nnorm", field="weight_norm", rank=1),
    Column("ratio"),
    Column("update\nratio", field="update_ratio"),
)
"""The figures of the weights beside the gradients, the last of them with a learning rate."""

_BINS = (
    Column("from", field="low"),
    Column("to", field="high"),
    Column("count"),
    Column("positive"),
    Column("negative"),
)


def grids(report: ShowReport, kinds: frozenset[str]) -> list[Grid]:
    """Return the tables of the given kinds."""
    noun, beside = report.block_noun, _beside(report.total)
    total = ("total", *_figures(report.total, None, beside))

    def row_of(name: str, row: ShowBlock | ShowKind | ShowParam) -> tuple[str, ...]:
        return (name, *_figures(row, row.share, beside))

    blocks = LazyRows(lambda row: row_of(layer_name(row.block, report.labels), row), report.blocks)
    kind_rows = LazyRows(lambda row: row_of(printable(row.kind), row), report.module_kinds)
    params = LazyRows(lambda row: row_of(printable(row.name), row), report.params)
    found = {
        "block": Grid(
            f"{noun}s by norm", _columns(noun, "block", beside), blocks, total, _above(report, "block"), "block"
        ),
        "kind": Grid(
            "kinds by norm", _columns("kind", "kind", beside), kind_rows, total, _above(report, "kind"), "kind"
        ),
        "param": Grid(
            "tensors by norm", _columns("param", "name", beside), params, total, _above(report, "param"), "param"
        ),
        "total": Grid(
            _all_of(report), _columns("", "scope", beside), [total], records=records(report, "total"), scope="total"
        ),
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


def _beside(total: ShowTotal) -> Sequence[Column]:
    """Return the columns of what is known of weights: none, ratios, or update ratios, too."""
    if total.weight_norm is None:
        return ()
    return _BESIDE if total.update_ratio is not None else _BESIDE[:-1]


def _columns(heading: str, field: str, beside: Sequence[Column]) -> Sequence[Column]:
    return [Column(heading, text=True, field=field), *_FIGURES, *beside]


def _above(report: ShowReport, scope: str) -> list[dict[str, object]]:
    """Return the records of one scope, followed by that of the total."""
    return [*records(report, scope), *records(report, "total")]


def _figures(
    row: ShowTotal | ShowBlock | ShowKind | ShowParam, of_square: float | None, beside: Sequence[Column]
) -> tuple[str, ...]:
    counts = ("-" if number is None else f"{number:,}" for number in (row.zeros, row.nan, row.inf))
    sizes = (figure(value) for value in (row.rms, row.max_abs, row.min_abs))
    return (figure(row.norm), share(of_square), *sizes, *counts, *(figure(getattr(row, one.name)) for one in beside))


def _bin(row: ShowBin) -> tuple[str, ...]:
    counts = ("-" if number is None else f"{number:,}" for number in (row.count, row.positive, row.negative))
    return (figure(row.low), figure(row.high), *counts)
