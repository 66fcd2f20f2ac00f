"""The screen of `stats`: what stands out, the norm over the run, thresholds and what they clip, the blocks that rise."""

from collections.abc import Iterator
from os.path import dirname

from gradclip_cli.render.screens import stats_blocks, stats_findings, stats_norm, stats_ratios, stats_thresholds
from gradclip_cli.render.screens.folding import wrapped
from gradclip_cli.render.screens.line import Line, line, strong
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.tables.stats import without_gradients
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.storage.location_names import common_folder
from gradclip_cli.text import plural, printable, ranges, sentence

_MOST_DTYPES = 3


def lines(report: StatsReport, room: Room) -> Iterator[Line]:
    """Yield the lines of a report of norms."""
    if not report.holds_norms:
        yield line(without_gradients(report))
        return
    yield from _head(report, room)
    found = list(stats_findings.lines(report, room))
    yield from ((), *found) if found else ()
    yield ()
    if len(report.dumps) == 1:
        yield from stats_blocks.shares(report, room)
        beside = list(stats_ratios.lines(report, room))
        yield from ((), *beside) if beside else ()
        yield from ((), *stats_thresholds.what_if(report, room)) if report.tries else ()
        yield from _advice(report, room)
        return
    yield from stats_norm.lines(report, room)
    beside = list(stats_ratios.lines(report, room))
    yield from ((), *beside) if beside else ()
    yield ()
    yield from stats_thresholds.lines(report, room)
    blocks = list(stats_blocks.rises(report, room))
    yield from ((), *blocks) if blocks else ()
    if report.command:
        yield ()
        yield line("Next: ", strong(report.command))


def _advice(report: StatsReport, room: Room) -> Iterator[Line]:
    """Say that one sample chooses nothing."""
    if report.advice:
        yield ()
        yield from wrapped(sentence(report.advice.reason), room)


def _head(report: StatsReport, room: Room) -> Iterator[Line]:
    """Name the dumps, and say how much they hold; on two lines where one is too narrow."""
    what = "dump" if report.source is None else "logged norm"
    dumps = [plural(len(report.dumps), what)] if len(report.dumps) > 1 else []
    first = f"{_place(report)}  {', '.join([*dumps, *_steps(report)])}".rstrip()
    held = ", ".join(_held(report))
    whole = f"{first}   {held}"
    if len(whole) <= room.width or room.whole:
        yield line(strong(first), f"   {held}")
        return
    yield line(strong(first))
    yield from wrapped(held, room, 1)


def _place(report: StatsReport) -> str:
    """Return the path of all dumps: as the user gave it, or the folder that all are in."""
    if len(report.inputs) == 1:
        return printable(report.inputs[0])
    paths = [path for dump in report.dumps for path in ([dump.input] if isinstance(dump.input, str) else dump.input)]
    try:
        folder = common_folder(map(dirname, paths))
    except ValueError:  # some paths are absolute, and some are not
        folder = ""
    return printable(f"{folder}/") if folder else plural(len(report.inputs), "input")


def _steps(report: StatsReport) -> list[str]:
    steps = [dump.step for dump in report.dumps if dump.step is not None]
    if len(steps) < len(report.dumps):
        return []
    if len(steps) == 1:
        return [f"step {steps[0]}"]
    every = len(set(steps)) == max(steps) - min(steps) + 1
    return [f"steps {ranges(steps)}" if every else f"steps {min(steps)} to {max(steps)}"]


def _held(report: StatsReport) -> list[str]:
    """Say how many tensors, of which dtypes, and how many values a dump holds."""
    if report.source is not None:
        return [f"{printable(report.column or '')} in {report.log}"]
    size = report.size
    if size is None or not size.tensors:
        return []
    blocks = f" in {plural(len(report.blocks), report.block_noun)}" if 1 < len(report.blocks) < size.tensors else ""
    several = len(size.dtypes) > _MOST_DTYPES
    dtypes = f"{len(size.dtypes)} dtypes" if several else " and ".join(size.dtypes)
    values = [] if size.elements is None else [plural(size.elements, "value")]
    others = (
        [f"{', '.join(f'{number:,} {name}' for name, number in size.others.items())} left out"] if size.others else []
    )
    return [f"{plural(size.tensors, 'tensor')}{blocks}", *([dtypes] if dtypes else []), *values, *others]
