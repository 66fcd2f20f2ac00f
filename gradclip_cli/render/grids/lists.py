"""The tables of `ls` and `strategies`."""

from gradclip_cli.render.grid import Column, Grid
from gradclip_cli.report import LsReport, LsTensor, StrategiesReport, StrategyRow
from gradclip_cli.text import printable


def grids(report: LsReport | StrategiesReport, kinds: frozenset[str]) -> list[Grid]:
    """Return the one table of either report."""
    return [_tensors(report) if isinstance(report, LsReport) else _strategies(report)]


def _tensors(report: LsReport) -> Grid:
    several = len({row.input for row in report.tensors}) > 1
    columns = [Column(name, text=True) for name in ("input", "name", "layer", "param")]
    columns += [Column("shape"), Column("dtype"), Column("bytes")]
    return Grid("tensors", columns[not several :], [_tensor(row)[not several :] for row in report.tensors])


def _tensor(row: LsTensor) -> tuple[str, ...]:
    names = (printable(name) for name in (row.input, row.name, row.layer, row.param))
    return (*names, "x".join(map(str, row.shape)) or "scalar", row.dtype, f"{row.bytes:,}")


def _strategies(report: StrategiesReport) -> Grid:
    headings = ("name", "also accepted", "group", "rule", "threshold", "source")
    columns = [Column(heading, text=heading not in ("group", "threshold")) for heading in headings]
    return Grid("strategies", columns, [_strategy(row) for row in report.strategies])


def _strategy(row: StrategyRow) -> tuple[str, ...]:
    return row.name, ", ".join(row.aliases), row.group, row.rule, "yes" if row.threshold else "no", row.source
