"""Make the tables of `apply`: dumps, blocks, layers and params, before and after."""

from collections.abc import Iterator, Sequence
from itertools import chain

from gradclip_cli.lazy_rows import LazyRows
from gradclip_cli.render.records import Record, records, records_of
from gradclip_cli.render.tables.grid import Column, Grid, dump_name, figure, layer_name, location, share
from gradclip_cli.reports.apply import ApplyBlock, ApplyDump, ApplyKind, ApplyLayer, ApplyParam, ApplyReport
from gradclip_cli.text import printable

_FIGURES = (
    Column("norm\nbefore"),
    Column("norm\nafter"),
    Column("factor"),
    Column("clipped", rank=1),
    Column("max |g|\nbefore", rank=2, field="max_abs_before"),
    Column("max |g|\nafter", rank=3, field="max_abs_after"),
)
_PARTS = {"block": "block", "kind": "kind", "layer": "layer", "param": "name"}
"""The kinds of tables of a dump, each with its first column in csv."""


_Group = ApplyLayer | ApplyBlock | ApplyKind


def grids(report: ApplyReport, kinds: frozenset[str]) -> list[Grid]:
    """Return a table of all dumps, and for each dump its tables of the kinds asked for."""
    by_step = report.dumps and ("step" in kinds or not kinds & _PARTS.keys())
    each = [_part(report, dump, kind) for dump in report.dumps for kind in _PARTS if kind in kinds]
    return [_steps(report), *each] if by_step else each


def _steps(report: ApplyReport) -> Grid:
    """Return the table of all dumps, each with its largest block and that one's share of the sum under the norm."""
    name = Column("step" if all(dump.step is not None for dump in report.dumps) else "dump", text=True, field="step")
    columns = (name, *_FIGURES, Column("largest block", text=True, rank=4), Column("share", rank=4))
    return Grid("dumps", columns, LazyRows(_step, report.dumps), None, records(report, "total"), "total")


def _step(dump: ApplyDump) -> tuple[str, ...]:
    name = dump.name or (location(dump.input) if dump.step is None else str(dump.step))
    before, after, _, *clipped = total_cells(dump)
    block = next(iter(dump.largest_blocks), None)
    largest = ("-", "-") if block is None else (layer_name(block.block, dump.labels), share(block.share))
    return (printable(name), before, after, figure(dump.total.least_factor), *clipped, *largest)


def _part(report: ApplyReport, dump: ApplyDump, kind: str) -> Grid:
    """Return the table of the blocks, layers or params of a dump."""
    step = f"{dump_name(dump.step, dump.name, dump.input)}, " if dump.step is not None else ""
    output = f"to {location(dump.output)}" if dump.output else "nothing written"
    columns = (Column(kind, text=True, field=_PARTS[kind]), *_FIGURES)
    of_rows = chain(_records(report, dump, kind), records_of(report, dump, "total"))
    total = ("total", *total_cells(dump))
    title = f"{location(dump.input)} ({step}{output}): {kind}s"
    return Grid(title, columns, _rows(dump, kind), total, of_rows, kind)


def _rows(dump: ApplyDump, kind: str) -> Sequence[tuple[str, ...]]:
    if kind == "param":
        return LazyRows(lambda row: (printable(row.name), *param_cells(row)), dump.params)
    if kind == "layer":
        return LazyRows(lambda row: (layer_name(row.layer, dump.labels), *group_cells(row)), dump.layers)
    if kind == "kind":
        return LazyRows(lambda row: (printable(row.kind), *group_cells(row)), dump.module_kinds)
    return LazyRows(lambda row: (layer_name(row.block, dump.labels), *group_cells(row)), dump.blocks)


def _records(report: ApplyReport, dump: ApplyDump, kind: str) -> Iterator[Record]:
    """Yield the records of rows; those of layers and blocks with their largest |g|, which csv has only for params."""
    if kind == "param":
        yield from records_of(report, dump, kind)
        return
    rows: Sequence[_Group] = dump.layers
    if kind != "layer":
        rows = dump.blocks if kind == "block" else dump.module_kinds
    for record, row in zip(records_of(report, dump, kind), rows, strict=True):
        yield {**record, "max_abs_before": row.peak_before, "max_abs_after": row.peak_after}


def total_cells(dump: ApplyDump) -> tuple[str, ...]:
    """Format the figures of a whole dump."""
    total = dump.total
    clipped = f"{total.clipped_elements:,}" if total.groups is None else f"{total.clipped_groups:,} of {total.groups:,}"
    clipped = "skipped" if total.skipped_groups and not total.clipped else clipped
    peaks = figure(total.max_abs_before), figure(total.max_abs_after)
    return (figure(total.norm_before), figure(total.norm_after), "", clipped, *peaks)


def group_cells(row: _Group) -> tuple[str, ...]:
    """Format the figures of a layer or a block."""
    norms = figure(row.norm_before), figure(row.norm_after), figure(row.factor)
    return (*norms, _clipped(row), figure(row.peak_before), figure(row.peak_after))


def _clipped(row: _Group) -> str:
    """Format what was clipped: elements or units if each is its own group, else tensors."""
    if row.factor == 0 and not row.clipped:
        return "skipped"
    if row.units is not None and row.clipped:
        return f"{row.units[0]:,} of {row.units[1]:,}"
    if row.limited is not None:
        return f"{row.limited:,}"
    part = f"{row.params_clipped} of {row.params}" if row.params_clipped < row.params else "yes"
    return part if row.params_clipped else "no"


def param_cells(row: ApplyParam) -> tuple[str, ...]:
    """Format the figures of a tensor; where its units have factors of their own, of the lowest of these."""
    factor = row.factor if row.units is None else row.min_factor
    norms = figure(row.norm_before), figure(row.norm_after), figure(factor)
    clipped = "-" if row.norm_before is None else "no"
    if row.clipped:
        clipped = f"{row.clipped_elements:,}" if row.factor is None else "yes"
        clipped = clipped if row.units is None else f"{row.clipped_units:,} of {row.units:,}"
    elif row.factor == 0:
        clipped = "skipped"
    return (*norms, clipped, figure(row.max_abs_before), figure(row.max_abs_after))
