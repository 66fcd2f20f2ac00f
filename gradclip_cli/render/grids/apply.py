"""The tables of `apply`: layers and params, before and after."""

import math
from collections.abc import Iterator, Sequence
from itertools import chain

from gradclip_cli.render.flat import Record, of_dump
from gradclip_cli.render.grid import Column, Grid, figure, named, place
from gradclip_cli.report import ApplyDump, ApplyLayer, ApplyParam, ApplyReport
from gradclip_cli.report.rows import Rows
from gradclip_cli.text import printable

_FIGURES = (
    Column("norm\nbefore"),
    Column("norm\nafter"),
    Column("factor"),
    Column("clipped"),
    Column("max |g|\nbefore", rank=1, field="max_abs_before"),
    Column("max |g|\nafter", rank=2, field="max_abs_after"),
)
_PEAKS = ("max_abs_before", "max_abs_after")


def grids(report: ApplyReport, kinds: frozenset[str]) -> list[Grid]:
    """Return two tables a dump."""
    return [grid for dump in report.dumps for grid in _dump(dump)]


def _dump(dump: ApplyDump) -> list[Grid]:
    step = f"step {dump.step}, " if dump.step is not None else ""
    output = f"to {place(dump.output)}" if dump.output else "nothing written"
    title = f"{place(dump.input)} ({step}{output})"
    members: dict[str, list[ApplyParam]] = {}
    for param in dump.params:
        if param.norm_before is not None:
            members.setdefault(param.layer, []).append(param)
    layers = Rows(lambda row: _layer(named(row.layer, dump.labels), row, members[row.layer]), dump.layers)
    params = Rows(_param, dump.params)
    of_layers = chain(_layer_records(dump, members), of_dump(dump, "total"))
    of_params = chain(of_dump(dump, "param"), of_dump(dump, "total"))
    name = Column("param", text=True, field="name")
    return [
        Grid(f"{title}: layers", (Column("layer", text=True), *_FIGURES), layers, _total(dump), of_layers, "layer"),
        Grid(f"{title}: params", (name, *_FIGURES), params, _total(dump), of_params, "param"),
    ]


def _layer_records(dump: ApplyDump, members: dict[str, list[ApplyParam]]) -> Iterator[Record]:
    """What the table of layers shows: their largest elements too, which csv has of params only."""
    for record in of_dump(dump, "layer"):
        params = members[record["layer"]]
        yield {**record, **{peak: _largest(params, peak) for peak in _PEAKS}}


def _total(dump: ApplyDump) -> tuple[str, ...]:
    total = dump.total
    clipped = f"{total.clipped_elements:,}" if total.groups is None else f"{total.clipped_groups:,} of {total.groups:,}"
    peaks = figure(total.max_abs_before), figure(total.max_abs_after)
    return ("total", figure(total.norm_before), figure(total.norm_after), "", clipped, *peaks)


def _layer(name: str, row: ApplyLayer, params: Sequence[ApplyParam]) -> tuple[str, ...]:
    peaks = (figure(_largest(params, peak)) for peak in _PEAKS)
    norms = figure(row.norm_before), figure(row.norm_after), figure(row.factor)
    return (name, *norms, _clipped(params), *peaks)


def _param(row: ApplyParam) -> tuple[str, ...]:
    norms = figure(row.norm_before), figure(row.norm_after), figure(row.factor)
    clipped = "-" if row.norm_before is None else _clipped([row])
    return (printable(row.name), *norms, clipped, figure(row.max_abs_before), figure(row.max_abs_after))


def _clipped(params: Sequence[ApplyParam]) -> str:
    """Say what was clipped: elements where each is its own group, else tensors."""
    clipped = [param for param in params if param.clipped]
    if not clipped:
        return "no"
    if any(param.factor is None for param in clipped):
        return f"{sum(param.clipped_elements for param in clipped):,}"
    return "yes" if len(clipped) == len(params) else f"{len(clipped)} of {len(params)}"


def _largest(params: Sequence[ApplyParam], peak: str) -> float:
    known = [value for param in params if (value := getattr(param, peak)) is not None]
    return math.nan if any(map(math.isnan, known)) else max(known)
