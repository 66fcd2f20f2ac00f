"""The screen of `show`: the largest blocks and tensors of a dump, or the values of one tensor."""

import shlex
from collections.abc import Iterator, Sequence

from gradclip_cli.render.screens.folding import packed
from gradclip_cli.render.screens.line import Line, Span, aligned, bad, dim, line, strong, width_of
from gradclip_cli.render.screens.names import shortened
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.screens.show_values import described, share_of, values_of
from gradclip_cli.render.tables.grid import dump_name, figure, layer_name, location
from gradclip_cli.render.tables.plain import cells
from gradclip_cli.reports.show import ShowBlock, ShowParam, ShowReport
from gradclip_cli.text import percent, plural, printable, shortlist

_WHOLE, _MOST = 30, 6
"""A dump of at most so many tensors is listed whole; of others, so many blocks and tensors are."""

_LEFT_OUT = (("min > 0", 40), ("rms", 30), ("zeros", 24), ("max", 24))
"""The columns that are left out first, each where names would get fewer cells than this."""

_Row = ShowBlock | ShowParam


def lines(report: ShowReport, room: Room) -> Iterator[Line]:
    """Yield what the dump is, then its tables; or the values of one tensor."""
    if report.values is not None:
        yield line(strong(printable(report.values.name)))
        yield from packed([Span(_where(report)), described(report)], room)
        yield from values_of(report, room)
        return
    gradients = report.params[: report.total.tensors]
    yield from packed([strong(_where(report)), Span(_contents(report, gradients))], room)
    if gradients:
        yield from packed(_total(report), room)
        yield from _tables(report, gradients, room)
    others = [f"{row.name} ({row.dtype})" for row in report.params[report.total.tensors :]]
    if others:
        yield ()
        yield line(dim("no gradients: "), shortlist(others, 4))
    if gradients and (command := _next(report, gradients[0].name)):
        yield ()
        yield from _on_a_terminal(command, room)


def _where(report: ShowReport) -> str:
    """Return the path of the dump, and its step."""
    known = report.name is not None or report.step is not None
    return location(report.input) + (f"  {dump_name(report.step, report.name, report.input)}" if known else "")


def _contents(report: ShowReport, gradients: Sequence[ShowParam]) -> str:
    """Say what a dump holds."""
    if not gradients:
        return "no gradients"
    matching = "" if report.tensor is None else f" that match {printable(report.tensor)}"
    blocks = f" in {plural(len(report.blocks), report.block_noun)}" if len(report.blocks) < len(gradients) else ""
    dtypes = ", ".join(dict.fromkeys(row.dtype for row in gradients))
    return f"{plural(len(gradients), 'tensor')}{matching}{blocks}, {dtypes}, {plural(report.total.elements, 'value')}"


def _total(report: ShowReport) -> Iterator[Span]:
    """Say the figures of the whole; those of the finite elements where others are among them."""
    total = report.total
    broken = total.nan or total.inf
    yield bad(f"norm {figure(total.norm)}") if broken else Span(f"norm {figure(total.norm)}")
    if broken:
        yield from (bad(f"{word} {number:,}") for word, number in (("NaN", total.nan), ("Inf", total.inf)) if number)
        yield Span(f"without these: norm {figure(total.finite_norm)}")
    yield from (Span(f"rms {figure(total.rms)}"), Span(f"max {figure(total.max_abs)}"))
    yield Span(f"min above 0 {figure(total.min_abs)}")
    if total.weight_norm is not None:
        yield Span(f"|g|/|w| {figure(total.ratio)}")
    yield from [Span(f"zeros {share_of(total.zeros, total.elements)}")] if total.zeros else []


def _next(report: ShowReport, name: str) -> tuple[str, str] | None:
    """Return the command that looks into the first tensor, in two parts; None where its words are not known."""
    if not report.command or not name.isprintable() or report.total.tensors < 2:
        return None
    return report.command, shlex.quote(name)


def _on_a_terminal(command: tuple[str, str], room: Room) -> Iterator[Line]:
    """Yield a command in one line, or in two that a shell takes for one."""
    first, last = command
    if room.whole or cells(f"Next: {first} {last}") <= room.width:
        yield line("Next: ", f"{first} {last}")
        return
    yield line("Next: ", f"{first} \\")
    yield line("      ", last)


def _tables(report: ShowReport, gradients: Sequence[ShowParam], room: Room) -> Iterator[Line]:
    whole = len(gradients) <= _WHOLE
    tables: list[tuple[str, Sequence[_Row], list[str]]] = []
    if 1 < len(report.blocks) < len(gradients):
        names = [layer_name(row.block, report.labels) for row in report.blocks]
        tables.append(("block", report.blocks, names))
    tables.append(("param", gradients, [printable(row.name) for row in gradients]))
    for kind, rows, names in tables:
        most = room.top or (len(rows) if whole or len(rows) == _MOST + 1 else _MOST)
        yield ()
        yield from _table(kind, rows[:most], names[:most], report, room)
        if len(rows) > most:
            more = dim(f"{len(rows) - most:,} more: --by {kind}")
            yield line(" ", more) if room.whole else line(f" {room.ellipsis} ", more)


def _table(kind: str, rows: Sequence[_Row], names: Sequence[str], report: ShowReport, room: Room) -> Iterator[Line]:
    """Yield rows in columns; of figures, those that can best be missed are left out where names would be too short."""
    total = report.total
    heads: list[str] = ["norm", "share", "rms", "max", "min > 0"]
    heads += ["|g|/|w|"] if total.weight_norm is not None else []
    heads += ["update"] if total.update_ratio is not None else []
    heads += ["zeros"] if total.zeros else []
    heads += [word for word, number in (("NaN", total.nan), ("Inf", total.inf)) if number]
    texts = [_cells(row) for row in rows]
    widest = max(map(len, names))
    for head, least in (*_LEFT_OUT, ("", 0)):
        columns = [[one[name] for name in heads] for one in texts]
        free = room.width - 3 - width_of([heads, *columns], indent=0)
        if not room.whole and free < min(widest, least):
            heads = [name for name in heads if name != head]
    shown = names if room.whole else shortened(names, max(free, 8), room.mark)
    title = strong(f"{report.block_noun}s by norm" if kind == "block" else "tensors by norm")
    body = [(f" {name}", *row) for name, row in zip(shown, columns, strict=True)]
    yield from aligned([(title, *heads), *body], [False] + [True] * len(heads), indent=0)


def _cells(row: _Row) -> dict[str, str | Span]:
    return {
        "norm": bad(figure(row.norm)) if row.nan or row.inf else figure(row.norm),
        "share": percent(row.share, 1),
        "rms": figure(row.rms),
        "max": figure(row.max_abs),
        "min > 0": figure(row.min_abs),
        "|g|/|w|": figure(row.ratio),
        "update": figure(row.update_ratio),
        "zeros": f"{row.zeros or 0:,}",
        "NaN": bad(f"{row.nan:,}") if row.nan else "0",
        "Inf": bad(f"{row.inf:,}") if row.inf else "0",
    }
