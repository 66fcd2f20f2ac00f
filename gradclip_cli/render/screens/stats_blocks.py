"""Show blocks on the screen of `stats`: those that rise most, step by step, or those of one dump by their share of its norm."""

from collections.abc import Iterator, Sequence

from gradclip_cli.render.charts.characters import bars_of, over_median
from gradclip_cli.render.charts.data import bars, run_scale
from gradclip_cli.render.screens.folding import wrapped
from gradclip_cli.render.screens.line import Line, Span, aligned, bad, dim, line, strong, width_of
from gradclip_cli.render.screens.names import shortened
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.screens.stats_norm import FEWEST
from gradclip_cli.render.tables.grid import dump_name, figure, layer_name, norm_name
from gradclip_cli.reports.stats import BlockShare, StatsReport
from gradclip_cli.reports.stats_findings import BlockRise
from gradclip_cli.reports.stats_series import NamedNorms
from gradclip_cli.text import percent, times

MOST, MOST_RISES = 10, 4
"""The most blocks that are shown of one dump, and of a run, whose screen holds more beside them."""

_FEWEST_BARS, _MOST_BARS = 10, 60
_TITLE, _SHORT_TITLE = "norm / median, step by step", "norm / median"
_MOST_WHEN = 18
"""The greatest width of the name of a file on a terminal."""

_NAME = 0.4
"""The greatest share of the width of a terminal that a name takes."""


def rises(report: StatsReport, room: Room) -> Iterator[Line]:
    """Yield the blocks that rise most over their medians, each with its norms as bars on one scale and one axis."""
    shown = list(report.rises[: room.most(MOST_RISES)])
    series = _series(report)
    if not shown or series is None:
        return
    names = _names([row.block for row in shown], report, room)
    rows = [tuple(map(Span, (name, *cells))) for name, cells in zip(names, _figures(shown, report, room), strict=True)]
    heads = tuple(map(strong, (f"{report.block_noun}s by rise", "median", "max", "at", "rise")))
    table: list[tuple[Span, ...]] = [heads, *rows]
    if len(report.dumps) >= FEWEST:
        place = {name: k for k, name in enumerate(series.names)}
        norms = [series.norms[place[row.block]] for row in shown]
        table = [(*row, last) for row, last in zip(table, _bars(norms, width_of(table) + 2, room), strict=True)]
    yield from _outdented(aligned(table, [False, True, True, True, True, False][: len(table[0])]))
    yield from _more(report, len(report.rises) - len(shown), room)


def _bars(rows: Sequence[Sequence[float | None]], taken: int, room: Room) -> list[Span]:
    """Return the heading of bars, and those of each row, where the columns before take so many cells."""
    left = max(_FEWEST_BARS, min(_MOST_BARS, room.width - taken))
    ratios = [bars(over_median(norms), left) for norms in rows]
    scale = run_scale(ratios)
    title = _TITLE if room.whole or taken + len(_TITLE) <= room.width else _SHORT_TITLE
    return [dim(title), *(Span(bars_of(values, left, room.unicode, scale)) for values in ratios)]


def shares(report: StatsReport, room: Room) -> Iterator[Line]:
    """Yield the blocks of one dump by their share of its squared norm."""
    every = report.shares or []
    shown = every[: room.most(MOST)]
    if not shown:
        return
    name = norm_name(report.norm_type)
    total = report.dumps[0]
    names = _names([row.block for row in shown], report, room)
    rows = [(Span(text), *_share_cells(row)) for text, row in zip(names, shown, strict=True)]
    heads = tuple(map(strong, (f"{report.block_noun}s by share", name, "share", "rms", "max |g|", "zeros")))
    yield line(f"{name}   {figure(total.norm)}   max |g| {figure(total.max_abs)}")
    yield ()
    yield from _outdented(aligned([heads, *rows], [False, True, True, True, True, True]))
    yield from _more(report, len(every) - len(shown), room)


def _series(report: StatsReport) -> NamedNorms | None:
    return None if report.series is None else report.series.blocks or report.series.layers


def _names(names: Sequence[str], report: StatsReport, room: Room) -> list[str]:
    """Return the names of blocks as they are shown: shortened on a terminal."""
    shown = [layer_name(name, report.labels) for name in names]
    return shown if room.whole else shortened(shown, max(16, int(_NAME * room.width)), room.mark)


def _figures(rows: Sequence[BlockRise], report: StatsReport, room: Room) -> list[tuple[str, str, str, str]]:
    """Return the median, the maximum, in which dump that is, and the rise of each block."""
    dumps = [report.dumps[row.row] for row in rows]
    when = [dump_name(dump.step, dump.name, dump.input, word="") for dump in dumps]
    when = when if room.whole else shortened(when, _MOST_WHEN, room.mark)
    rises = ["-" if row.times is None else times(row.times) for row in rows]
    return [(figure(row.median), figure(row.max), at, rise) for row, at, rise in zip(rows, when, rises, strict=True)]


def _share_cells(row: BlockShare) -> tuple[Span, ...]:
    zeros = "-"
    if row.zeros is not None and row.elements:
        zeros = percent(row.zeros / row.elements)
    finite = row.norm - row.norm == 0
    norm = Span(figure(row.norm)) if finite else bad(figure(row.norm))
    return norm, *(Span(text) for text in (percent(row.share), figure(row.rms), figure(row.max_abs), zeros))


def _outdented(rows: Sequence[Line]) -> Iterator[Line]:
    """Yield the lines of a table with the first, its heads, one column to the left."""
    first, *others = rows
    yield (
        (*first[1:2], Span(" " + first[2].text), *first[3:]) if len(first) > 2 and not first[0].text.strip() else first
    )
    yield from others


def _more(report: StatsReport, left: int, room: Room) -> Iterator[Line]:
    """Say how many blocks are left out, and where all of them and all else stand."""
    tables = ["--by block"] if left and not report.blocks_are_layers else []
    tables += [f"--by layer ({len(report.layers)})", f"--by param ({len(report.params)})"]
    tables += ["--by step"] if len(report.dumps) > 1 else []
    text = f"{f'{left} more' if left else 'more'}: {', '.join([*tables, '-f json'])}"
    found = [line(f" {text}")] if room.whole else wrapped(text, room, 1)
    yield from ((dim(part[0].text),) for part in found)
