"""The screen of `apply`: what was clipped, the dumps that were clipped most, and what else was changed."""

import math
import os
from collections.abc import Callable, Iterator, Sequence

from gradclip_cli.render.screens.apply_one import one_dump
from gradclip_cli.render.screens.columns import aligned, width_of
from gradclip_cli.render.screens.line import Line, Span, bad, dim, line, strong, warn
from gradclip_cli.render.screens.names import shortened
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.tables.grid import figure, location
from gradclip_cli.reports.apply import ApplyBlock, ApplyDump, ApplyReport
from gradclip_cli.storage.streams import STANDARD
from gradclip_cli.text import plural, printable, ranges

_MOST = 8
"""The most dumps in the table, and the most lines about NaN."""

_LONGEST = 40
"""The most characters of a list of steps."""

_UNITS = {"layer": "layer", "tensor": "tensor", "group": "group"}


def lines(report: ApplyReport, room: Room) -> Iterator[Line]:
    """Yield the answer first: how many dumps were clipped, by how much, which of them most, and where the output is."""
    yield _head(report)
    if len(report.dumps) == 1:
        yield from one_dump(report.dumps[0], room)
    else:
        yield from _clipped_most(report, room)
    yield from _changed(report, room)
    yield _foot(report)


def _head(report: ApplyReport) -> Line:
    dumps, total = report.dumps, sum(dump.total.tensors for dump in report.dumps)
    how = f"{report.strategy} at {report.limits}" if report.limits else report.strategy
    if report.norm_type != 2:
        how += f" ({report.norm_type:g}-norm)"
    if dumps and not total:
        return line(strong(f"{how}: no gradients"), _other_types(dumps))
    if len(dumps) == 1:
        return line(strong(how), ": ", *_verdict_of_one(report, dumps[0]))
    return line(strong(how), ": ", *_verdict(report))


def _other_types(dumps: Sequence[ApplyDump]) -> str:
    """Say of which dtypes the tensors are, if none is a gradient that counts."""
    found: dict[str, int] = {}
    for dump in dumps:
        for row in dump.params:
            found[row.dtype] = found.get(row.dtype, 0) + 1
    kinds = ", ".join(f"{plural(number, 'tensor')} of {dtype}" for dtype, number in found.items())
    return f": {kinds}" if found else ""


def _verdict(report: ApplyReport) -> Iterator[str | Span]:
    dumps, number = report.dumps, report.clipped_dumps
    if report.unit == "-":
        yield f"{plural(len(dumps), 'dump')}, nothing to clip"
        return
    if not number:
        yield f"none of {len(dumps):,} dumps clipped{_largest_norm(dumps)}"
        return
    done = _done(report)
    yield warn(f"{number:,} of {len(dumps):,} dumps {done}")
    if report.clipped_steps and number < len(dumps):
        yield f" ({_steps(report.clipped_steps)})"
    if counted := _counted(report.unit, dumps):
        yield f", {counted}"
    if report.mean_factor is not None:
        yield f", mean factor {_factor(report.mean_factor)}"


def _verdict_of_one(report: ApplyReport, dump: ApplyDump) -> Iterator[str | Span]:
    total = dump.total
    if report.unit == "-":
        yield f"nothing to clip, norm {figure(total.norm_before)}"
        return
    done = _done(report)
    if not total.clipped:
        yield f"not {done}, norm {figure(total.norm_before)}"
        return
    counted = _counted(report.unit, [dump])
    yield warn(f"{done} {counted}" if counted else done)
    yield f", norm {figure(total.norm_before)} to {figure(total.norm_after)}"
    if report.unit == "dump" and total.mean_factor is not None:
        yield f", factor {_factor(total.mean_factor)}"


def _done(report: ApplyReport) -> str:
    """Return what a strategy does: those that renormalize change groups of any norm."""
    return "changed" if report.strategy.startswith("renormalize") else "clipped"


def _counted(unit: str, dumps: Sequence[ApplyDump]) -> str:
    """Count the clipped elements or groups of dumps, in words; nothing where each dump is one group."""
    totals = [dump.total for dump in dumps]
    if unit == "element":
        clipped, every = sum(total.clipped_elements for total in totals), sum(total.elements for total in totals)
        return f"{clipped:,} of {plural(every, 'element')} ({_share(clipped / every)})" if every else ""
    if unit not in _UNITS:
        return ""
    clipped, every = sum(total.clipped_groups or 0 for total in totals), sum(total.groups or 0 for total in totals)
    return f"{clipped:,} of {plural(every, _UNITS[unit])}"


def _largest_norm(dumps: Sequence[ApplyDump]) -> str:
    finite = [dump for dump in dumps if math.isfinite(dump.total.norm_before)]
    if not finite:
        return ""
    most = max(finite, key=lambda dump: dump.total.norm_before)
    return f", largest norm {figure(most.total.norm_before)} ({_called(most)})"


def _clipped_most(report: ApplyReport, room: Room) -> Iterator[Line]:
    """Yield the table of the dumps that were clipped most."""
    clipped = sorted((dump for dump in report.dumps if dump.total.clipped), key=_order(report.unit))
    if not clipped:
        return
    most = len(clipped) if len(clipped) <= _MOST else _MOST - 1
    by_step = all(dump.step is not None and dump.name is None for dump in report.dumps)
    first, rows = "step" if by_step else "dump", clipped[:most]
    names = [str(dump.step) if by_step else _called(dump) for dump in rows]
    names = names if room.whole else shortened(names, room.width // 3, room.mark)
    heads, cells = _columns(report, rows)
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


def _order(unit: str) -> Callable[[ApplyDump], float]:
    def key(dump: ApplyDump) -> float:
        total = dump.total
        if unit == "element" or total.least_factor is None:
            return -total.clipped_elements / total.elements
        return total.least_factor if math.isfinite(total.least_factor) else -1.0

    return key


def _columns(report: ApplyReport, dumps: Sequence[ApplyDump]) -> tuple[list[str], list[list[str | Span]]]:
    """Return the headings and the cells of the figures of dumps, without the last column."""
    unit, totals = report.unit, [dump.total for dump in dumps]
    norms = [[_norm(total.norm_before), _norm(total.norm_after)] for total in totals]
    if unit == "element":
        more = [[_norm(t.max_abs_before), f"{t.clipped_elements:,}"] for t in totals]
        return ["norm before", "norm after", "max |g|", "clipped"], [a + b for a, b in zip(norms, more, strict=True)]
    if unit == "dump":
        factors: list[list[str | Span]] = [[warn(_factor(t.least_factor))] for t in totals]
        return ["norm before", "norm after", "factor"], [a + b for a, b in zip(norms, factors, strict=True)]
    counts: list[list[str | Span]] = [
        [f"{t.clipped_groups:,} of {t.groups:,}", warn(_factor(t.least_factor))] for t in totals
    ]
    heads = ["norm before", "norm after", f"{_UNITS.get(unit, unit)}s {_done(report)}", "least factor"]
    return heads, [a + b for a, b in zip(norms, counts, strict=True)]


def _with_last(
    table: list[Sequence[str | Span]], report: ApplyReport, dumps: Sequence[ApplyDump], room: Room
) -> list[Sequence[str | Span]]:
    """Append the last column: the share of elements, the group that was scaled most, or the largest block and its share."""
    if report.unit == "element":
        return _joined(table, "share", [_share(d.total.clipped_elements / d.total.elements) for d in dumps])
    left = room.width - width_of(table) - 2
    if report.unit != "dump":
        names = [printable(dump.total.least) for dump in dumps]
        names = names if room.whole else shortened(names, left, room.mark)
        return _joined(table, "of", names) if any(names) else table
    blocks = [next(iter(dump.largest_blocks), None) for dump in dumps]
    found = [("" if block is None else printable(block.block), block) for block in blocks]
    long = [_of_square(block, " of the square" if report.norm_type == 2 else "") for _, block in found]
    fits = all(len(name) + len(text) <= left for (name, _), text in zip(found, long, strict=True))
    texts = long if room.whole or fits else [_of_square(block, "") for _, block in found]
    names = [name for name, _ in found]
    if not room.whole:
        names = shortened(names, max(8, left - max(map(len, texts))), room.mark)
    return _joined(table, "largest", [name + text for name, text in zip(names, texts, strict=True)])


def _joined(table: Sequence[Sequence[str | Span]], head: str, last: Sequence[str]) -> list[Sequence[str | Span]]:
    return [(*row, cell) for row, cell in zip(table, (head, *last), strict=True)]


def _of_square(block: ApplyBlock | None, of: str) -> str:
    return f" ({_share(block.share)}{of})" if block is not None and block.share is not None else ""


def _changed(report: ApplyReport, room: Room) -> Iterator[Line]:
    """Yield what was changed that no threshold asked for."""
    treated = [dump for dump in report.dumps if dump.treated is not None]
    for dump in treated[:_MOST]:
        which = [] if len(report.dumps) == 1 else [_called(dump), ": "]
        yield line(*which, bad(printable(dump.treated or "")))
    if more := len(treated) - _MOST:
        yield from [line(dim(f"{plural(more, 'more dump')} with NaN or Inf: -f json"))] if more > 0 else []
    yield from (line(bad(printable(note.text))) for note in report.notes if note.kind == "overflow")
    yield from (line(warn(printable(note.text))) for note in report.notes if note.kind == "underflow")


def _foot(report: ApplyReport) -> Line:
    hint = dim("  Tables: --by layer, --by param") if report.dumps else dim("")
    if not report.files_written:
        return line("nothing written (dry run).", hint)
    took = "" if report.seconds is None else f", {report.seconds:.1f} s"
    size = f" ({_size(report.bytes_written)}{took})."
    files = plural(report.files_written, "file")
    if report.target == STANDARD:
        return line("written to standard output", size, hint)
    if report.target is None:
        return line(f"{files} replaced", size, hint)
    folder = report.files_written > 1 or os.path.basename(report.target) == ""
    what = f"{files} written to" if folder or len(report.dumps) > 1 else "written to"
    end = os.sep if folder and not report.target.endswith(os.sep) else ""
    return line(f"{what} {printable(report.target)}{end}", size, hint)


def _called(dump: ApplyDump) -> str:
    """Return what a dump is called: its step, or else the name of its file."""
    if dump.name is not None:
        return printable(dump.name)
    return os.path.basename(location(dump.input)) if dump.step is None else f"step {dump.step}"


def _steps(steps: Sequence[int]) -> str:
    text = ranges(steps)
    if len(text) <= _LONGEST:
        return text
    kept = text[:_LONGEST].rpartition(", ")[0] or text[:_LONGEST]
    return f"{kept} and others"


def _norm(value: float) -> str | Span:
    return figure(value) if math.isfinite(value) else bad(figure(value))


def _factor(value: float | None) -> str:
    """Format a factor with three digits, or with as many as show that it is not 1.

    >>> _factor(0.10695), _factor(0.99996), _factor(1.0)
    ('0.107', '0.99996', '1')
    """
    if value is None:
        return "-"
    texts = [f"{value:.{digits}g}" for digits in range(3, 18)]
    return next((text for text in texts if float(text) != 1), "1")


def _share(value: float) -> str:
    """Format a share in per cent with a blank, and two digits where it is small."""
    return f"{value:.1%}".replace("%", " %") if value >= 0.01 or not value else f"{value * 100:.2g} %"


def _size(nbytes: int) -> str:
    """Format a number of bytes.

    >>> _size(812), _size(33_900_000)
    ('812 bytes', '33.9 MB')
    """
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if nbytes >= factor:
            return f"{nbytes / factor:.1f} {unit}"
    return plural(nbytes, "byte")
