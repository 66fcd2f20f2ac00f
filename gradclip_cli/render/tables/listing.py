"""Make the tables of `ls`, `cache` and `strategies`."""

from gradclip_cli.lazy_rows import LazyRows
from gradclip_cli.render.records import records
from gradclip_cli.render.tables.grid import Column, Grid, layer_name, location
from gradclip_cli.reports.listing import CacheReport, LsBlock, LsReport, LsTensor, StrategiesReport, StrategyRow
from gradclip_cli.text import printable

_NAMES = {"input": 0, "name": 0, "layer": 1, "param": 2}
"""The columns of text with their ranks: layer and param repeat the name, and can be left out."""


def grids(report: LsReport | CacheReport | StrategiesReport, kinds: frozenset[str]) -> list[Grid]:
    """Return the tables of `ls` of the given kinds, or the one of `cache` or `strategies`."""
    if isinstance(report, CacheReport):
        return [_cache(report)]
    if isinstance(report, StrategiesReport):
        return [_strategies(report)]
    blocks = [_blocks(report)] if "block" in kinds else []
    return [*blocks, _tensors(report)] if "param" in kinds else blocks


def _blocks(report: LsReport) -> Grid:
    """Return one row for each block of each dump."""
    several = len({str(row.input) for row in report.by_block}) > 1
    columns = [Column("input", text=True), Column("block", text=True), Column("tensors"), Column("values")]
    columns += [Column("bytes", rank=1), Column("dtypes", text=True, rank=2)]
    rows = LazyRows(lambda row: _block(row, report.labels)[not several :], report.by_block)
    scope = "block" if "block" in report.scopes else ""
    return Grid("blocks", columns[not several :], rows, records=(row._asdict() for row in report.by_block), scope=scope)


def _block(row: LsBlock, labels: dict[str, str]) -> tuple[str, ...]:
    counts = f"{row.tensors:,}", f"{row.values:,}", f"{row.bytes:,}"
    return (location(row.input), layer_name(row.block, labels), *counts, ", ".join(row.dtypes))


def _tensors(report: LsReport) -> Grid:
    several = len({row.input for row in report.tensors}) > 1
    columns = [Column(name, text=True, rank=rank) for name, rank in _NAMES.items()]
    columns += [Column("shape"), Column("dtype"), Column("bytes")]
    scope = "param" if "param" in report.scopes else ""
    rows = LazyRows(lambda row: _tensor(row, report.labels)[not several :], report.tensors)
    return Grid("tensors", columns[not several :], rows, records=records(report, scope), scope=scope)


def _tensor(row: LsTensor, labels: dict[str, str]) -> tuple[str, ...]:
    names = printable(row.input), printable(row.name), layer_name(row.layer, labels), printable(row.param)
    return (*names, "x".join(map(str, row.shape)) or "scalar", row.dtype, f"{row.bytes:,}")


def _strategies(report: StrategiesReport) -> Grid:
    headings = ("name", "also accepted", "group", "rule", "threshold", "source")
    ranks = {"rule": 1, "threshold": 2, "source": 3}
    columns = [
        Column(
            name, name not in ("group", "threshold"), ranks.get(name, 0), {"also accepted": "aliases"}.get(name, name)
        )
        for name in headings
    ]
    return Grid("strategies", columns, [_strategy(row) for row in report.strategies], records=records(report))


def _strategy(row: StrategyRow) -> tuple[str, ...]:
    return row.name, ", ".join(row.aliases), row.group, row.rule, "yes" if row.threshold else "no", row.source


def _cache(report: CacheReport) -> Grid:
    columns = [Column("path", text=True), Column("results"), Column("bytes"), Column("trouble", text=True)]
    rows = [(printable(row.path), f"{row.results:,}", f"{row.bytes:,}", row.trouble or "") for row in report.cache]
    return Grid("cache", columns, rows, records=records(report))
