"""The tables of one dump on the screen of `apply`: its layers or blocks, and its params, before and after."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gradclip_cli.render.screens.line import Line, Span, aligned, dim, line, text_of, warn, width_of
from gradclip_cli.render.screens.names import shortened
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.tables.apply import group_cells, param_cells, total_cells
from gradclip_cli.render.tables.grid import layer_name
from gradclip_cli.render.tables.plain import cells
from gradclip_cli.reports.apply import ApplyDump
from gradclip_cli.text import printable

_MOST_WHOLE = 30
"""The most tensors of a dump whose tables are whole, and the most layers that are not gathered in blocks."""

_LARGEST = 10
"""How many of the largest layers or blocks, and params, are shown of other dumps, where the user asks for no number."""

_SHORTEST, _LONGEST = 16, 32
"""The least width of names in cells, and the width that they have before figures are left out."""

_HEADS = ("before", "after", "factor", "clipped", "max |g|", "max after")
_LAST = (6, 5, 4, 3, 2)
"""How many figures are shown, as many as fit."""

Row = tuple[str, tuple[str, ...]]


class _Table(NamedTuple):
    """The largest rows of a kind, `more` than which there are behind `hint`; or all rows, where there is no hint."""

    kind: str
    rows: Sequence[Row]
    more: int = 0
    hint: str = ""


def one_dump(dump: ApplyDump, room: Room) -> Iterator[Line]:
    """Yield the tables of layers and of params, whole or the largest of each, with the same figures."""
    tables, total = [table for table in _tables(dump, room.top) if table.rows], ("total", total_cells(dump))
    found: list[list[Line]] = []
    for shown in _LAST:
        found = [list(_lines(table, total, room, shown)) for table in tables]
        every = [row for table in tables for row in (*table.rows, total)]
        least = min(_LONGEST, max((cells(name) for name, _ in every), default=0))
        widest = max((cells(text_of(one)) for lines in found for one in lines), default=0)
        if room.whole or (widest <= room.width and _width(every, shown) + least <= room.width):
            break
    for lines in found:
        yield ()
        yield from lines


def _tables(dump: ApplyDump, top: int | None) -> list[_Table]:
    if not dump.params:
        return []
    if top is None and len(dump.params) <= _MOST_WHOLE:
        layers = [(layer_name(row.layer, dump.labels), group_cells(row)) for row in dump.layers]
        params = [(printable(row.name), param_cells(row)) for row in dump.params]
        return [_Table("layer", layers), _Table("param", params)]
    most = _LARGEST if top is None else top
    largest = [(printable(row.name), param_cells(row)) for row in dump.largest_params[:most]]
    return [_largest_groups(dump, most), _Table("param", largest, len(dump.params) - len(largest), "--by param")]


def _largest_groups(dump: ApplyDump, most: int) -> _Table:
    if len(dump.layers) <= _MOST_WHOLE:
        layers = [(layer_name(row.layer, dump.labels), group_cells(row)) for row in dump.largest_layers[:most]]
        return _Table("layer", layers, len(dump.layers) - len(layers), "--by layer")
    blocks = [(layer_name(row.block, dump.labels), group_cells(row)) for row in dump.largest_blocks[:most]]
    return _Table("block", blocks, len(dump.blocks) - len(blocks), f"--by block, --by layer ({len(dump.layers):,})")


def _lines(table: _Table, total: Row, room: Room, shown: int) -> Iterator[Line]:
    """Yield the rows of a table with the first figures, how many more rows there are, and the total."""
    title = f"{table.kind}s by norm" if table.hint else f"norms of {table.kind}s"
    every = [*table.rows, total]
    names = [name for name, _ in every]
    if not room.whole:
        names = shortened(names, max(_SHORTEST, room.width - _width(every, shown)), room.mark)
    texts = [
        (title, *_HEADS[:shown]),
        *((name, *figures[:shown]) for name, (_, figures) in zip(names, every, strict=True)),
    ]
    head, *body, last = aligned([_marked(row) for row in texts], [False, *shown * [True]])
    yield tuple(dim(span.text) for span in head)
    yield from body
    if table.more > 0:
        yield line(f" {'' if room.whole else room.ellipsis + ' '}", dim(f"{table.more:,} more: {table.hint}"))
    elif table.hint.startswith("--by block"):
        yield line(" ", dim(f"more: {table.hint.partition(', ')[2]}"))
    yield last


def _width(rows: Sequence[Row], shown: int) -> int:
    """Return the width of everything but names."""
    return width_of([("", *_HEADS[:shown]), *(("", *figures[:shown]) for _, figures in rows)])


def _marked(row: tuple[str, ...]) -> list[str | Span]:
    """Mark the factor of what was clipped."""
    clipped = len(row) > 4 and row[4] not in ("no", "-", "clipped", "") and not row[4].startswith("0")
    return [warn(cell) if clipped and k in (3, 4) else cell for k, cell in enumerate(row)]
