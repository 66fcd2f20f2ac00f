"""The table of the dumps that `apply` clipped most, on its screen."""

import math
from collections.abc import Callable, Iterator, Sequence

from gradclip_cli.render.screens.line import Line, Span, aligned, bad, dim, line, warn, width_of
from gradclip_cli.render.screens.names import shortened
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.tables.grid import dump_name, factor_text, figure, layer_name
from gradclip_cli.reports.apply import ApplyBlock, ApplyDump, ApplyReport, ApplyTotal
from gradclip_cli.text import percent, plural

MOST = 8
"""The most dumps in the table."""

_NARROW = 72
"""A terminal of fewer columns has short headings."""

_LEAST = 14
"""The cells that names of blocks get before their shares are left out."""

UNITS = {"layer": "layer", "tensor": "tensor", "unit": "unit", "group": "group"}
"""What is counted in the dumps of strategies that make groups in them, by the unit of the report."""


def clipped_most(report: ApplyReport, room: Room) -> Iterator[Line]:
    """Yield the table of the dumps that were clipped most; nothing where none was."""
    clipped = sorted((dump for dump in report.dumps if dump.total.clipped), key=_order(report.unit))
    if not clipped:
        return
    most = room.top or (len(clipped) if len(clipped) <= MOST else MOST - 1)
    by_step = all(dump.step is not None and dump.name is None for dump in report.dumps)
    first, rows = "step" if by_step else "dump", clipped[:most]
    names = [str(dump.step) if by_step else dump_name(dump.step, dump.name, dump.input) for dump in rows]
    names = names if room.whole else shortened(names, room.width // 3, room.mark)
    heads, cells = _columns(
        report, rows, ("before", "after") if room.width < _NARROW else ("norm before", "norm after")
    )
    table: list[Sequence[str | Span]] = [
        (first, *heads),
        *((name, *row) for name, row in zip(names, cells, strict=True)),
    ]
    table = _with_last(table, report, rows, room)
    right = [by_step, *(len(table[0]) - 2) * [True], report.unit == "element"]
    head, *body = aligned(table, right)
    yield tuple(Span(span.text, "dim") for span in head)
    yield from body
    if len(clipped) > most:
        yield line("     " if room.whole else f" {room.ellipsis:>4}", dim(f"  {len(clipped) - most:,} more: --by step"))


def _order(unit: str) -> Callable[[ApplyDump], tuple[float, float]]:
    """Return the key by which dumps are sorted: the lowest factor or the greatest share first, then what lost most of its norm."""

    def key(dump: ApplyDump) -> tuple[float, float]:
        total = dump.total
        left = total.norm_after / total.norm_before if total.norm_before else 1.0
        left = left if math.isfinite(left) else -1.0
        if unit == "element" or total.least_factor is None:
            return -total.clipped_elements / total.elements, left
        return total.least_factor if math.isfinite(total.least_factor) else -1.0, left

    return key


def _columns(
    report: ApplyReport, dumps: Sequence[ApplyDump], first: Sequence[str]
) -> tuple[list[str], list[list[str | Span]]]:
    """Return the headings and the cells of the figures of dumps, the norms under `first`, without the last column."""
    unit, totals = report.unit, [dump.total for dump in dumps]
    norms = [[norm_before(total), _norm(total.norm_after)] for total in totals]
    if unit == "element":
        more = [[_norm(t.max_abs_before), f"{t.clipped_elements:,}"] for t in totals]
        return [*first, "max |g|", "clipped"], [a + b for a, b in zip(norms, more, strict=True)]
    if unit == "dump":
        factors: list[list[str | Span]] = [[warn(factor_text(t.least_factor))] for t in totals]
        return [*first, "factor"], [a + b for a, b in zip(norms, factors, strict=True)]
    counts: list[list[str | Span]] = [[_counted(t), warn(factor_text(t.least_factor))] for t in totals]
    heads = [*first, f"{UNITS.get(unit, unit)}s {done(report)}", "least factor"]
    return heads, [a + b for a, b in zip(norms, counts, strict=True)]


def _counted(total: ApplyTotal) -> str:
    """Count what was clipped in a dump: its elements where each is its own group, as in one of few layers, else its groups."""
    if total.groups is None:
        return plural(total.clipped_elements, "element")
    return f"{total.clipped_groups:,} of {total.groups:,}"


def _with_last(
    table: list[Sequence[str | Span]], report: ApplyReport, dumps: Sequence[ApplyDump], room: Room
) -> list[Sequence[str | Span]]:
    """Append the last column: the share of elements, the group that was scaled most, or the largest block and its share."""
    if report.unit == "element":
        return _joined(table, "share", [percent(d.total.clipped_elements / d.total.elements, 1) for d in dumps])
    left = room.width - width_of(table) - 2
    if report.unit != "dump":
        names = [layer_name(dump.total.least, dump.labels) for dump in dumps]
        names = names if room.whole else shortened(names, left, room.mark)
        return _joined(table, "of", names) if any(names) else table
    head, blocks = _head_of_largest(report, left, room), list(map(_largest, dumps))
    names = [
        "" if block is None else layer_name(block.block, dump.labels) for dump, block in zip(dumps, blocks, strict=True)
    ]
    texts = ["" if block is None or block.share is None else f"  {percent(block.share, 1)}" for block in blocks]
    if not room.whole:
        beside = left - max(map(len, texts))
        wide = beside < min(_LEAST, max(map(len, names)))
        names = shortened(names, left if wide else beside, room.mark)
        wide = wide or any(len(name) + len(text) > left for name, text in zip(names, texts, strict=True))
        texts = [""] * len(names) if wide else texts
        head = "largest" if wide else head
    return _joined(table, head, [f"{name}{text}" for name, text in zip(names, texts, strict=True)])


def _head_of_largest(report: ApplyReport, left: int, room: Room) -> str:
    """Return the head of the column of blocks and their shares, which says once what these are shares of."""
    head = "largest, share of the square" if report.norm_type == 2 else "largest, share"
    return head if room.whole or len(head) <= left else "largest"


def _largest(dump: ApplyDump) -> ApplyBlock | None:
    """Return the largest block; where NaN became 0, by what was left."""
    if dump.total.replaced:
        return max(dump.blocks, key=lambda block: -1.0 if block.share is None else block.share, default=None)
    return next(iter(dump.largest_blocks), None)


def _joined(table: Sequence[Sequence[str | Span]], head: str, last: Sequence[str]) -> list[Sequence[str | Span]]:
    return [(*row, cell) for row, cell in zip(table, (head, *last), strict=True)]


def _norm(value: float) -> str | Span:
    return figure(value) if math.isfinite(value) else bad(figure(value))


def norm_before(total: ApplyTotal) -> str | Span:
    """Format the norm as it was read; where NaN became 0, also the norm without them, which was clipped."""
    if not total.replaced or total.finite_norm_before is None:
        return _norm(total.norm_before)
    return bad(f"{figure(total.norm_before)} ({figure(total.finite_norm_before)} without)")


def done(report: ApplyReport) -> str:
    """Return what a strategy does: those that renormalize change groups of any norm."""
    return "changed" if report.strategy.startswith("renormalize") else "clipped"
