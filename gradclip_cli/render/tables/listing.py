"""Make the tables of `ls` and `strategies`."""

from gradclip_cli.lazy_rows import LazyRows
from gradclip_cli.render.records import records
from gradclip_cli.render.tables.grid import Column, Grid, layer_name
from gradclip_cli.reports.listing import LsReport, LsTensor, StrategiesReport, StrategyRow
from gradclip_cli.text import printable

_NAMES = {"input": 0, "name": 0, "layer": 1, "param": 2}
"""The columns of text with their ranks: layer and param repeat the name, and can be left out."""


def grids(report: LsReport | StrategiesReport, kinds: frozenset[str]) -> list[Grid]:
    """Return the one table of either report."""
    return [_tensors(report) if isinstance(report, LsReport) else _strategies(report)]


def _tensors(report: LsReport) -> Grid:
    several = len({row.input for row in report.tensors}) > 1
    columns = [Column(name, text=True, rank=rank) for name, rank in _NAMES.items()]
    columns += [Column("shape"), Column("dtype"), Column("bytes")]
    rows = LazyRows(lambda row: _tensor(row, report.labels)[not several :], report.tensors)
    return Grid("tensors", columns[not several :], rows, records=records(report))


def _tensor(row: LsTensor, labels: dict[str, str]) -> tuple[str, ...]:
    names = printable(row.input), printable(row.name), layer_name(row.layer, labels), printable(row.param)
    return (*names, "x".join(map(str, row.shape)) or "scalar", row.dtype, f"{row.bytes:,}")


def _strategies(report: StrategiesReport) -> Grid:
    headings = ("name", "also accepted", "group", "rule", "threshold", "source")
    ranks = {"also accepted": 1, "source": 2}
    columns = [
        Column(
            name, name not in ("group", "threshold"), ranks.get(name, 0), {"also accepted": "aliases"}.get(name, name)
        )
        for name in headings
    ]
    return Grid("strategies", columns, [_strategy(row) for row in report.strategies], records=records(report))


def _strategy(row: StrategyRow) -> tuple[str, ...]:
    return row.name, ", ".join(row.aliases), row.group, row.rule, "yes" if row.threshold else "no", row.source
