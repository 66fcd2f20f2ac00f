"""The screen of `apply`: what was clipped, the dumps that were clipped most, and what else was changed."""

import math
import os
from collections.abc import Iterator, Sequence

from gradclip_cli.render.screens.apply_dumps import (
    MOST,
    UNITS,
    clipped_most,
    done,
    norm_before,
)
from gradclip_cli.render.screens.apply_one import one_dump
from gradclip_cli.render.screens.folding import folded
from gradclip_cli.render.screens.line import Line, Span, bad, dim, line, strong, warn
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.tables.grid import dump_name, factor_text, figure, location
from gradclip_cli.reports.apply import ApplyDump, ApplyReport
from gradclip_cli.storage.streams import STANDARD
from gradclip_cli.text import byte_size, percent, plural, printable, runs, shortlist, steps_text

_LONGEST = 40
"""The most characters of a list of steps."""


def lines(report: ApplyReport, room: Room) -> Iterator[Line]:
    """Yield the answer first: how many dumps were clipped, by how much, which of them most, and where the output is."""
    yield from folded(_head(report), room)
    if len(report.dumps) == 1:
        yield from one_dump(report.dumps[0], room)
    else:
        yield from clipped_most(report, room)
    for text in (*_changed(report), _foot(report, room)):
        yield from folded(text, room)


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
    if report.skipped_dumps:
        yield from _skipped(report)
        if not number:
            return
        yield ", "
    if not number:
        yield f"none of {len(dumps):,} dumps clipped{_largest_norm(dumps)}"
        return
    verb = done(report)
    yield warn(f"{number:,} of {len(dumps):,} dumps {verb}")
    if report.clipped_steps and number < len(dumps):
        yield f" ({_steps(report.clipped_steps)})"
    if counted := _counted(report.unit, dumps):
        yield f", {counted}"
    if report.mean_factor is not None:
        yield f", mean factor {factor_text(report.mean_factor)}"


def _skipped(report: ApplyReport) -> Iterator[str | Span]:
    """Say how many dumps a rule leaves out, and which."""
    yield warn(f"{report.skipped_dumps:,} of {len(report.dumps):,} dumps skipped")
    if report.skipped_steps:
        yield f" ({_steps(report.skipped_steps)})"


def _verdict_of_one(report: ApplyReport, dump: ApplyDump) -> Iterator[str | Span]:
    total = dump.total
    if report.unit == "-":
        yield f"nothing to clip, norm {figure(total.norm_before)}"
        return
    verb = done(report)
    if total.skipped_groups and not total.clipped:
        yield warn("skipped")
        yield from (", norm ", norm_before(total), f" to {figure(total.norm_after)}")
        return
    if not total.clipped:
        yield f"not {verb}, norm {figure(total.norm_before)}"
        return
    counted = _counted(report.unit, [dump])
    yield warn(f"{verb} {counted}" if counted else verb)
    yield from (", norm ", norm_before(total), f" to {figure(total.norm_after)}")
    if report.unit == "dump" and total.mean_factor is not None:
        yield f", factor {factor_text(total.mean_factor)}"


def _counted(unit: str, dumps: Sequence[ApplyDump]) -> str:
    """Count the clipped elements or groups of dumps, in words; nothing where each dump is one group."""
    totals = [dump.total for dump in dumps]
    if unit == "element":
        clipped, every = sum(total.clipped_elements for total in totals), sum(total.elements for total in totals)
        return f"{clipped:,} of {plural(every, 'element')} ({percent(clipped / every, 1)})" if every else ""
    if unit not in UNITS:
        return ""
    clipped, every = sum(total.clipped_groups or 0 for total in totals), sum(total.groups or 0 for total in totals)
    return f"{clipped:,} of {plural(every, UNITS[unit])}"


def _largest_norm(dumps: Sequence[ApplyDump]) -> str:
    finite = [dump for dump in dumps if math.isfinite(dump.total.norm_before)]
    if not finite:
        return ""
    most = max(finite, key=lambda dump: dump.total.norm_before)
    return f", largest norm {figure(most.total.norm_before)} ({dump_name(most.step, most.name, most.input)})"


def _changed(report: ApplyReport) -> Iterator[Line]:
    """Yield what was changed that no threshold asked for."""
    treated: dict[str, list[ApplyDump]] = {}
    for dump in report.dumps:
        if dump.treated is not None:
            treated.setdefault(dump.treated, []).append(dump)
    for text, dumps in list(treated.items())[:MOST]:
        which = [] if len(report.dumps) == 1 else [_called(dumps), ": "]
        yield line(*which, bad(printable(text)))
    if more := sum(len(dumps) for dumps in list(treated.values())[MOST:]):
        yield line(dim(f"{plural(more, 'more dump')} with NaN or Inf: -f json"))
    yield from (line(bad(printable(note.text))) for note in report.notes if note.kind == "overflow")
    yield from (line(warn(printable(note.text))) for note in report.notes if note.kind == "underflow")


def _called(dumps: Sequence[ApplyDump]) -> str:
    """Say to which dumps a sentence applies: steps as ranges, or a few names."""
    steps = [dump.step for dump in dumps if dump.step is not None and dump.name is None]
    if len(steps) == len(dumps):
        return f"step{'s' if len(steps) > 1 else ''} {_steps(steps)}"
    return shortlist([dump_name(dump.step, dump.name, dump.input) for dump in dumps], 3)


def _foot(report: ApplyReport, room: Room) -> Line:
    """Say what was written; on a terminal also how long it took, which would differ from one pipe to the next."""
    hint = dim("  Tables: --by layer, --by param") if report.dumps else dim("")
    if not report.files_written:
        return line("nothing written (dry run).", hint)
    took = "" if room.whole or report.seconds is None else f", {report.seconds:.1f} s"
    size = f" ({byte_size(report.bytes_written)}{took})."
    files = plural(report.files_written, "file")
    if report.target == STANDARD:
        return line("written to standard output", size, hint)
    if report.target is None:
        return line(f"{files} replaced", size, hint)
    if report.files_written == 1:
        return line(f"written to {location(report.dumps[0].output or report.target)}", size, hint)
    end = "" if report.target.endswith(os.sep) else os.sep
    return line(f"{files} written to {printable(report.target)}{end}", size, hint)


def _steps(steps: Sequence[int]) -> str:
    return steps_text(runs(steps), sorted(steps), _LONGEST)
