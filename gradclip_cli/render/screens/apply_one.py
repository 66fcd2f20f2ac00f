"""The tables of one dump on the screen of `apply`: its layers or blocks, and its params, before and after."""

from collections.abc import Iterator, Sequence

from gradclip_cli.render.screens.columns import aligned, width_of
from gradclip_cli.render.screens.line import Line, Span, dim, line, warn
from gradclip_cli.render.screens.names import shortened
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.tables.apply import group_cells, param_cells, total_cells
from gradclip_cli.render.tables.grid import layer_name
from gradclip_cli.render.tables.plain import cells
from gradclip_cli.reports.apply import ApplyDump
from gradclip_cli.text import printable

_MOST_WHOLE = 30
"""The most tensors of a dump whose tables are whole, and the most layers that are not gathered in blocks."""

_SHORTEST, _LONGEST = 16, 36
"""The least width of names in cells, and the width that they have before figures are left out."""

_HEADS = ("before", "after", "factor", "clipped", "max |g|", "max after")
_LAST = (6, 5, 4, 3, 2)
"""How many figures are shown, as many as fit."""

Row = tuple[str, tuple[str, ...]]


def one_dump(dump: ApplyDump, room: Room) -> Iterator[Line]:
    """Yield the tables of layers and of params: whole, or the ten largest of each."""
    if not dump.params:
        return
    if len(dump.params) <= _MOST_WHOLE:
        total = "total", total_cells(dump)
        layers = [(layer_name(row.layer, dump.labels), group_cells(row)) for row in dump.layers]
        yield from _table("layer", layers, total, room, 0, "")
        yield from _table("param", [(printable(row.name), param_cells(row)) for row in dump.params], total, room, 0, "")
        return
    yield from _largest_groups(dump, room)
    largest = [(printable(row.name), param_cells(row)) for row in dump.largest_params]
    more = len(dump.params) - len(largest)
    yield from _table("param", largest, None, room, more, "--by param")


def _largest_groups(dump: ApplyDump, room: Room) -> Iterator[Line]:
    if len(dump.layers) <= _MOST_WHOLE:
        layers = [(layer_name(row.layer, dump.labels), group_cells(row)) for row in dump.largest_layers]
        yield from _table("layer", layers, None, room, len(dump.layers) - len(layers), "--by layer")
        return
    blocks = [(printable(row.block), group_cells(row)) for row in dump.largest_blocks]
    hint = f"--by block, --by layer ({len(dump.layers):,})"
    yield from _table("block", blocks, None, room, len(dump.blocks) - len(blocks), hint)


def _table(kind: str, rows: Sequence[Row], total: Row | None, room: Room, more: int, hint: str) -> Iterator[Line]:
    """Yield the largest rows of a kind, and how many more there are; or all rows, and their total."""
    if not rows:
        return
    title = f"{kind}s by norm" if hint else f"norms of {kind}s"
    every = [*rows, total] if total else list(rows)
    least = min(_LONGEST, max(cells(name) for name, _ in every))
    shown = next((n for n in _LAST if room.whole or _width(every, n) + least <= room.width), _LAST[-1])
    names = [name for name, _ in every]
    if not room.whole:
        names = shortened(names, max(_SHORTEST, room.width - _width(every, shown)), room.mark)
    texts = [
        (title, *_HEADS[:shown]),
        *((name, *figures[:shown]) for name, (_, figures) in zip(names, every, strict=True)),
    ]
    head, *body = aligned([_marked(row) for row in texts], [False, *shown * [True]])
    yield ()
    yield tuple(dim(span.text) for span in head)
    yield from body
    if more > 0:
        yield line(f" {'' if room.whole else room.ellipsis + ' '}", dim(f"{more:,} more: {hint}"))
    elif hint.startswith("--by block"):
        yield line(" ", dim(f"more: {hint.partition(', ')[2]}"))


def _width(rows: Sequence[Row], shown: int) -> int:
    """Return the width of everything but names."""
    return width_of([("", *_HEADS[:shown]), *(("", *figures[:shown]) for _, figures in rows)])


def _marked(row: tuple[str, ...]) -> list[str | Span]:
    """Mark the factor of what was clipped."""
    clipped = len(row) > 4 and row[4] not in ("no", "-", "clipped", "") and not row[4].startswith("0")
    return [warn(cell) if clipped and k in (3, 4) else cell for k, cell in enumerate(row)]
