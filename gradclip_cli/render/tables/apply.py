"""Make the tables of `apply`: layers and params, before and after."""

from collections.abc import Iterator
from itertools import chain

from gradclip_cli.lazy_rows import LazyRows
from gradclip_cli.render.records import Record, records_of
from gradclip_cli.render.tables.grid import Column, Grid, figure, layer_name, location
from gradclip_cli.reports.apply import ApplyDump, ApplyLayer, ApplyParam, ApplyReport
from gradclip_cli.text import printable

_FIGURES = (
    Column("norm\nbefore"),
    Column("norm\nafter"),
    Column("factor"),
    Column("clipped"),
    Column("max |g|\nbefore", rank=1, field="max_abs_before"),
    Column("max |g|\nafter", rank=2, field="max_abs_after"),
)


def grids(report: ApplyReport, kinds: frozenset[str]) -> list[Grid]:
    """Return two tables for each dump."""
    return [grid for dump in report.dumps for grid in _dump(report, dump)]


def _dump(report: ApplyReport, dump: ApplyDump) -> list[Grid]:
    step = f"{dump.name or f'step {dump.step}'}, " if dump.step is not None else ""
    output = f"to {location(dump.output)}" if dump.output else "nothing written"
    title = f"{location(dump.input)} ({step}{output})"
    layers = LazyRows(lambda row: _layer(layer_name(row.layer, dump.labels), row), dump.layers)
    params = LazyRows(_param, dump.params)
    of_layers = chain(_layer_records(report, dump), records_of(report, dump, "total"))
    of_params = chain(records_of(report, dump, "param"), records_of(report, dump, "total"))
    name = Column("param", text=True, field="name")
    return [
        Grid(f"{title}: layers", (Column("layer", text=True), *_FIGURES), layers, _total(dump), of_layers, "layer"),
        Grid(f"{title}: params", (name, *_FIGURES), params, _total(dump), of_params, "param"),
    ]


def _layer_records(report: ApplyReport, dump: ApplyDump) -> Iterator[Record]:
    """Yield the records of layers with their largest |g|, which csv has only for params but the table shows."""
    for record, row in zip(records_of(report, dump, "layer"), dump.layers, strict=True):
        yield {**record, "max_abs_before": row.peak_before, "max_abs_after": row.peak_after}


def _total(dump: ApplyDump) -> tuple[str, ...]:
    total = dump.total
    clipped = f"{total.clipped_elements:,}" if total.groups is None else f"{total.clipped_groups:,} of {total.groups:,}"
    peaks = figure(total.max_abs_before), figure(total.max_abs_after)
    return ("total", figure(total.norm_before), figure(total.norm_after), "", clipped, *peaks)


def _layer(name: str, row: ApplyLayer) -> tuple[str, ...]:
    norms = figure(row.norm_before), figure(row.norm_after), figure(row.factor)
    return (name, *norms, _clipped(row), figure(row.peak_before), figure(row.peak_after))


def _clipped(row: ApplyLayer) -> str:
    """Format what was clipped: elements if each is its own group, else tensors."""
    if row.limited is not None:
        return f"{row.limited:,}"
    part = f"{row.params_clipped} of {row.params}" if row.params_clipped < row.params else "yes"
    return part if row.params_clipped else "no"


def _param(row: ApplyParam) -> tuple[str, ...]:
    norms = figure(row.norm_before), figure(row.norm_after), figure(row.factor)
    clipped = "-" if row.norm_before is None else "no"
    if row.clipped:
        clipped = f"{row.clipped_elements:,}" if row.factor is None else "yes"
    return (printable(row.name), *norms, clipped, figure(row.max_abs_before), figure(row.max_abs_after))
