"""The screen of `ls`: one row a tensor for one dump, one row a dump for several, between a head and a foot of totals."""

import os
from collections.abc import Iterator, Sequence

from gradclip_cli.lazy_rows import LazyRows
from gradclip_cli.render.screens.folding import phrases
from gradclip_cli.render.screens.line import Line, Span, dim, line, warn
from gradclip_cli.render.screens.names import shortened
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.tables import plain
from gradclip_cli.render.tables.grid import Column, Grid
from gradclip_cli.reports.listing import LsDump, LsReport, LsTensor
from gradclip_cli.storage.location_names import common_folder
from gradclip_cli.text import byte_size, plural, printable, ranges, shortlist

_MOST_SHORTENED = 2000
"""The most rows whose names are fitted to a terminal."""

_LEAST = 20
"""The cells that names get before columns are left out."""

_LEFT_OUT = ("dtype", "bytes", "values", "dtypes", "tensors")
"""The columns that a narrow terminal leaves out, the first of them first."""

_SHORTEST = 8
"""The cells that names get at least."""

_SEEN = 20
"""The rows of a table whose head is still seen at its end."""


def lines(report: LsReport, room: Room) -> Iterator[Line]:
    """Yield the totals, then the rows."""
    dumps = report.dumps or []
    if len(dumps) == 1:
        yield from _one(report, dumps[0], room)
    elif dumps:
        yield from _several(report, dumps, room)
    else:
        yield from _tensors(report, room, several=len({row.input for row in report.tensors}) > 1)


def _one(report: LsReport, dump: LsDump, room: Room) -> Iterator[Line]:
    parts = [f"{plural(dump.tensors, 'tensor')}{_in_blocks(report, dump)}", *_contents(dump)]
    parts += [f"{dump.steps:,} steps" if dump.steps > 1 else f"step {dump.step}"] if _has_step(dump) else []
    parts += [f"{dump.files:,} files"] if dump.files > 1 else []
    head = list(phrases([f"{_path(dump)}:", *_commas(parts)], room, indent=0, style="strong"))
    yield from head
    yield ()
    yield from _tensors(report, room, several=dump.files > 1 and dump.layout != "parameters")
    if dump.tensors > _SEEN:
        yield ()
        yield from head
        if 1 < report.blocks < dump.tensors:
            yield line(dim(f" {report.block_noun}s ({report.blocks:,}): --by block"))


def _tensors(report: LsReport, room: Room, *, several: bool) -> Iterator[Line]:
    columns = [Column("name", text=True), Column("shape"), Column("dtype"), Column("bytes")]
    columns += [Column("file", text=True)] if several else []
    cells = _tensor_in_file if several else _tensor
    rows = LazyRows(lambda row: cells(row, report.labels), report.tensors[: room.top])
    yield from _table(columns, rows, room)
    yield from _left_out(len(report.tensors) - len(rows), "tensor")


def _left_out(number: int, noun: str) -> Iterator[Line]:
    if number > 0:
        yield line(dim(f" {plural(number, f'more {noun}')}"))


def _tensor(row: LsTensor, labels: dict[str, str]) -> tuple[str, ...]:
    name, label = printable(row.name), labels.get(row.layer) if labels else None
    named = name if label is None or label == row.layer else f"{name} ({printable(label)})"
    shape = "x".join(map(str, row.shape)) or "scalar"
    return named, shape, row.dtype, f"{row.bytes:,}"


def _tensor_in_file(row: LsTensor, labels: dict[str, str]) -> tuple[str, ...]:
    return *_tensor(row, labels), printable(os.path.basename(row.input))


def _several(report: LsReport, dumps: Sequence[LsDump], room: Room) -> Iterator[Line]:
    folder = _folder(dumps)
    steps = [dump.step for dump in dumps if dump.step is not None]
    parts = [f"{plural(len(dumps), 'dump')}"]
    parts += [_steps(steps)] if steps else []
    same = report.others is None
    parts += [f"{plural(dumps[0].tensors, 'tensor')}{_in_blocks(report, dumps[0])} in each"] if same else []
    total = sum(dump.values for dump in dumps), sum(dump.bytes for dump in dumps)
    parts += [plural(total[0], "value"), byte_size(total[1])]
    head = list(phrases([f"{folder}:" if folder else "", *_commas(parts)], room, indent=0, style="strong"))
    yield from head
    yield ()
    yield from _table_of_dumps(dumps[: room.top], folder, room)
    yield from _left_out(len(dumps[room.top :]) if room.top else 0, "dump")
    yield ()
    yield from head if len(dumps[: room.top]) > _SEEN else ()
    yield from _foot(report, room)


def _table_of_dumps(dumps: Sequence[LsDump], folder: str, room: Room) -> Iterator[Line]:
    start = len(folder) + 1 if folder and folder != os.sep else 0
    names = [_path(dump)[start:] for dump in dumps]
    known = any(_has_step(dump) for dump in dumps)
    files = any(dump.files > 1 for dump in dumps)
    columns = [
        Column("dump", text=True),
        Column("step"),
        Column("tensors"),
        Column("values"),
        Column("bytes"),
        Column("dtypes", text=True),
    ]
    columns += [Column("files", text=True)]
    kept = [
        k
        for k, column in enumerate(columns)
        if (known or column.heading != "step") and (files or column.heading != "files")
    ]

    def row(pair: tuple[LsDump, str]) -> tuple[str, ...]:
        cells = _dump(*pair)
        return tuple(cells[k] for k in kept)

    rows = LazyRows(row, list(zip(dumps, names, strict=True)))
    yield from _table([columns[k] for k in kept], rows, room)


def _dump(dump: LsDump, name: str) -> tuple[str, ...]:
    step = f"{dump.steps:,} steps" if dump.steps > 1 else "-" if dump.step is None else str(dump.step)
    files = f"{dump.files:,} {'files' if dump.layout == 'parameters' else 'shards'}" if dump.files > 1 else "1"
    return name, step, f"{dump.tensors:,}", f"{dump.values:,}", f"{dump.bytes:,}", ", ".join(dump.dtypes), files


def _table(columns: Sequence[Column], rows: Sequence[tuple[str, ...]], room: Room) -> Iterator[Line]:
    """Yield a table whose names, the first column, are shortened to fit a terminal; a long one is written as it is."""
    if not room.whole and len(rows) <= _MOST_SHORTENED:
        columns, rows = _fitting(columns, list(rows), room)
    _, head, _, *body = plain.lines(Grid("", columns, rows), "-")
    yield line(dim(f" {head.rstrip()}"))
    yield from ((Span(f" {text.rstrip()}"),) for text in body[:-1])


def _fitting(
    columns: Sequence[Column], rows: Sequence[tuple[str, ...]], room: Room
) -> tuple[Sequence[Column], Sequence[tuple[str, ...]]]:
    """Leave out columns until names have room, and shorten these; a dtype that all rows share is in the head."""
    sizes = plain.widths(Grid("", columns, rows))
    alike = {column.heading for k, column in enumerate(columns) if len({row[k] for row in rows}) == 1}
    kept = list(range(len(columns)))
    for name in (*sorted(_LEFT_OUT, key=lambda name: name not in alike or not name.startswith("dtype")), ""):
        left = room.width - 1 - sum(sizes[k] + plain.GAP for k in kept[1:])
        repeated = name in alike and name.startswith("dtype")
        if left >= (sizes[0] if repeated else min(sizes[0], _LEAST)):
            break
        kept = [k for k in kept if columns[k].heading != name]
    names = shortened([row[0] for row in rows], max(_SHORTEST, left), room.mark)
    found = [(name, *(row[k] for k in kept[1:])) for name, row in zip(names, rows, strict=True)]
    return [columns[k] for k in kept], found


def _foot(report: LsReport, room: Room) -> Iterator[Line]:
    others = report.others
    if others is not None:
        parts = [f"{len(others.some):,} only in some dumps: {shortlist(others.some, 3)}"] if others.some else []
        parts += [f"{len(others.shapes):,} of several shapes: {shortlist(others.shapes, 3)}"] if others.shapes else []
        parts += [f"{len(others.dtypes):,} of several dtypes: {shortlist(others.dtypes, 3)}"] if others.dtypes else []
        yield line(warn(f"the dumps do not hold the same tensors; {plural(others.tensors, 'tensor')} in total"))
        for part in parts:
            yield from phrases(part.split(" "), room)
    yield line(dim(f" all {plural(len(report.tensors), 'tensor')}: --by param, --by block, -f json"))


def _contents(dump: LsDump) -> list[str]:
    return [*([", ".join(dump.dtypes)] if dump.dtypes else []), plural(dump.values, "value"), byte_size(dump.bytes)]


def _in_blocks(report: LsReport, dump: LsDump) -> str:
    return f" in {plural(report.blocks, report.block_noun)}" if 1 < report.blocks < dump.tensors else ""


def _commas(parts: Sequence[str]) -> list[str]:
    return [f"{part}," for part in parts[:-1]] + [parts[-1]]


def _has_step(dump: LsDump) -> bool:
    return dump.step is not None or dump.steps > 1


def _steps(steps: Sequence[int]) -> str:
    listed = ranges(steps)
    return f"steps {listed}" if len(listed) <= 30 else f"steps {min(steps)} to {max(steps)}"


def _path(dump: LsDump) -> str:
    return printable(dump.input if isinstance(dump.input, str) else dump.input[0])


def _folder(dumps: Sequence[LsDump]) -> str:
    """Return the folder that all dumps are in; empty if that is the working directory or the root."""
    folders = {os.path.dirname(_path(dump)) for dump in dumps}
    if not all(folders):
        return ""
    try:
        found = common_folder(folders)
    except ValueError:  # absolute and relative paths
        return ""
    return "" if found == os.sep else found
