"""The tables of `apply`: layers and params, before and after."""

import math
from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from operator import attrgetter
from typing import NamedTuple

from gradclip_cli.render.flat import Record, of_dump
from gradclip_cli.render.grid import Column, Grid, figure, named, place
from gradclip_cli.report import ApplyDump, ApplyLayer, ApplyParam, ApplyReport
from gradclip_cli.rows import Rows
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


class Members(NamedTuple):
    """What the table of layers shows of the params in one: what was clipped of them, and their largest elements."""

    clipped: str
    max_abs_before: float
    max_abs_after: float


def _dump(dump: ApplyDump) -> list[Grid]:
    step = f"step {dump.step}, " if dump.step is not None else ""
    output = f"to {place(dump.output)}" if dump.output else "nothing written"
    title = f"{place(dump.input)} ({step}{output})"
    known: dict[str, Members] = {}
    layers = Rows(lambda row: _layer(named(row.layer, dump.labels), row, _members(dump, known)[row.layer]), dump.layers)
    params = Rows(_param, dump.params)
    of_layers = chain(_layer_records(dump, known), of_dump(dump, "total"))
    of_params = chain(of_dump(dump, "param"), of_dump(dump, "total"))
    name = Column("param", text=True, field="name")
    return [
        Grid(f"{title}: layers", (Column("layer", text=True), *_FIGURES), layers, _total(dump), of_layers, "layer"),
        Grid(f"{title}: params", (name, *_FIGURES), params, _total(dump), of_params, "param"),
    ]


def _members(dump: ApplyDump, known: dict[str, Members]) -> dict[str, Members]:
    """Look at the params of all layers, which stand side by side, once they are asked for."""
    if not known:
        counted = (param for param in dump.params if param.norm_before is not None)
        for layer, found in groupby(counted, attrgetter("layer")):
            params = list(found)
            known[layer] = Members(_clipped(params), *(_largest(params, peak) for peak in _PEAKS))
    return known


def _layer_records(dump: ApplyDump, known: dict[str, Members]) -> Iterator[Record]:
    """What the table of layers shows: their largest elements too, which csv has of params only."""
    for record in of_dump(dump, "layer"):
        yield {**record, **_members(dump, known)[record["layer"]]._asdict(), "clipped": record["clipped"]}


def _total(dump: ApplyDump) -> tuple[str, ...]:
    total = dump.total
    clipped = f"{total.clipped_elements:,}" if total.groups is None else f"{total.clipped_groups:,} of {total.groups:,}"
    peaks = figure(total.max_abs_before), figure(total.max_abs_after)
    return ("total", figure(total.norm_before), figure(total.norm_after), "", clipped, *peaks)


def _layer(name: str, row: ApplyLayer, members: Members) -> tuple[str, ...]:
    norms = figure(row.norm_before), figure(row.norm_after), figure(row.factor)
    return (name, *norms, members.clipped, figure(members.max_abs_before), figure(members.max_abs_after))


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
