"""`ls`: list dumps and their tensors from headers."""

import math
from bisect import bisect
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gradclip_cli.commands.plans import LsPlan
from gradclip_cli.engine.run import Run
from gradclip_cli.inputs.layouts.params import ParamFiles
from gradclip_cli.inputs.layouts.series import step_groups
from gradclip_cli.inputs.naming import LayerParam, Naming, block_noun, natural
from gradclip_cli.inputs.opened import OpenDump, OpenFile
from gradclip_cli.inputs.ordering import numbers_in
from gradclip_cli.inputs.places import Places, layers_of, params_of
from gradclip_cli.inputs.selection import Selection, check_included
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.inputs.uncounted import only_other
from gradclip_cli.lazy_rows import Coded, LaterRows, LazyRows, Zipped
from gradclip_cli.notes import Note, merged
from gradclip_cli.reports.listing import LsBlock, LsDump, LsReport, LsTensor, OtherTensors
from gradclip_cli.spec_table import dtype_names, labels_of, names_of, nbytes_of, picked, shapes_of
from gradclip_cli.storage.locations import expect
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import shortlist

_MOST_SHARED = 20_000
"""The most tensors of a file whose rows may be shared: to compare more names takes longer than to list them."""

Rows = Sequence[LsTensor]
Key = tuple[tuple[str, tuple[int, ...], str, int, str | None], ...]


def ls(plan: LsPlan, run: Run) -> LsReport:
    """List the tensors of each file by itself, even where the files of a dump do not fit together.

    A tensor whose pieces say where they belong is listed once, with the first of its files.
    """
    found = _Listed(plan.selection)
    expect([file for source in plan.inputs for file in source.files])
    for source in plan.inputs:
        with run.open(source) as dump:
            found.add(source, dump)
    check_included(list(found.names), plan.selection)
    return found.report(plan.notes)


class _ManyRows(LazyRows[LsTensor]):
    """The rows of a file with many tensors, made from columns in the order of the fields of a row."""

    def __init__(self, path: str, tensors: Sequence[TensorSpec], places: Sequence[LayerParam]) -> None:
        sizes, codes = np.unique(nbytes_of(tensors), return_inverse=True)
        described = shapes_of(tensors), dtype_names(tensors), Coded(sizes.tolist(), codes)
        paths = Coded([path], np.zeros(len(tensors), np.int8))
        self.columns = dict(
            zip(
                LsTensor._fields,
                (paths, names_of(tensors), layers_of(places), params_of(places), *described),
                strict=True,
            )
        )
        super().__init__(LsTensor._make, Zipped(*self.columns.values()))


def _column(rows: Rows, field: str) -> Sequence[Any]:
    """Return one field of all rows."""
    return rows.columns[field] if isinstance(rows, _ManyRows) else [getattr(row, field) for row in rows]


class _File(NamedTuple):
    """A file in the list: rows that all files with the same tensors share; those rows lack the input."""

    path: str
    rows: Rows


class _Listed:
    """What is listed so far: thousands of dumps with the same tensors share their rows."""

    def __init__(self, selection: Selection) -> None:
        self.names: dict[str, None] = {}  # that patterns may match
        self._selection = selection
        self._files: list[_File] = []
        self._rows: dict[Key, Rows] = {}
        self._kinds: dict[tuple[int, ...], Rows] = {}  # the rows of each dump that differs from those before
        self._dumps: list[LsDump] = []
        self._held: list[Rows] = []  # of each dump
        self._labels: dict[str, str] = {}
        self._notes: list[Note] = []

    def add(self, source: DumpSource, dump: OpenDump) -> None:
        """List a dump, file by file."""
        files, format = list[_File](), ""
        for file in dump.each():
            files.append(_File(file.path, self._rows_of(file)))
            format = format or file.format.name
            if names := only_other(file.reader):
                self._notes.append(Note("not-numbers", f"{file.path}: not numbers: {shortlist(names)}"))
        if dump.wholes:
            files = _joined(files, dump)
        if self._selection.has_names:
            self.names.update(dict.fromkeys(spec.name for spec in dump.tensors))
        self._notes.extend(dump.notes)
        self._files += files
        kind = tuple(id(file.rows) for file in files)
        rows = self._kinds.setdefault(
            kind, files[0].rows if len(files) == 1 else tuple(row for file in files for row in file.rows)
        )
        self._dumps.append(_dump(source, dump, format, rows))
        self._held.append(rows)

    def _rows_of(self, file: OpenFile) -> Rows:
        if len(file.tensors) > _MOST_SHARED:
            return self._many_listed(file.tensors, file.path)
        key = tuple((spec.name, spec.shape, spec.dtype.name, spec.nbytes, spec.label) for spec in file.tensors)
        found = self._rows.get(key)
        if found is None:
            found = self._rows[key] = self._listed(file.tensors)
        return found

    def _many_listed(self, tensors: Sequence[TensorSpec], path: str) -> Rows:
        """Return rows for the selected tensors of a file with many, by layers in natural order."""
        names = names_of(tensors)
        places, taken = Places.of(self._selection.naming.placed(names)), self._selection.rows(names)
        self._labels.update({places[row].layer: label for row, label in labels_of(tensors).items() if row in taken})
        order = places.by_layer(taken).groups.members
        return _ManyRows(path, picked(tensors, order), places.take(order))

    def _listed(self, tensors: Sequence[TensorSpec]) -> Rows:
        """Return rows for the selected tensors of a file, by layers in natural order."""
        selection = self._selection
        places = selection.naming.places([spec.name for spec in tensors])
        taken = [pair for pair in zip(tensors, places, strict=True) if selection.takes(pair[0].name)]
        taken.sort(key=lambda pair: natural(pair[1].layer))
        self._labels.update({place.layer: spec.label for spec, place in taken if spec.label is not None})
        return tuple(LsTensor("", spec.name, *place, spec.shape, spec.dtype.name, spec.nbytes) for spec, place in taken)

    def report(self, notes: Iterable[Note]) -> LsReport:
        """Return the report of all dumps."""
        dumps = self._dumps
        if dumps and all(dump.step is None for dump in dumps):
            steps = numbers_in([dump.input if isinstance(dump.input, str) else dump.input[0] for dump in dumps])
            dumps = [dump._replace(step=step) for dump, step in zip(dumps, steps, strict=True)]
        kinds, naming = list(self._kinds.values()), self._selection.naming
        layers = list(dict.fromkeys(_column(kinds[0], "layer"))) if kinds else []
        return LsReport(
            _rows(self._files),
            self._labels,
            merged([*notes, *self._notes]),
            dumps,
            _others(kinds) if len(kinds) > 1 else None,
            len(set(map(naming.block, layers))),
            block_noun(layers, naming),
            LaterRows(lambda row: row, lambda: _by_block(zip(dumps, self._held, strict=True), naming)),
        )


def _rows(files: Sequence[_File]) -> Sequence[LsTensor]:
    """Return one row for each tensor of each file; they are made on access where files share them."""
    if len(files) == 1 and isinstance(files[0].rows, LazyRows):
        return files[0].rows
    starts, count = list[int](), 0
    for file in files:
        starts.append(count)
        count += len(file.rows)

    def row(k: int) -> LsTensor:
        at = bisect(starts, k) - 1
        found = files[at].rows[k - starts[at]]
        return found if found.input else found._replace(input=files[at].path)

    return LazyRows(row, range(count))


def _by_block(held: Iterable[tuple[LsDump, Rows]], naming: Naming) -> list[LsBlock]:
    """Return a row for each block of each dump; dumps with the same tensors share their figures."""
    known: dict[int, list[LsBlock]] = {}  # by the identity of rows that are shared
    found = list[LsBlock]()
    for dump, rows in held:
        blocks = known.get(id(rows))
        if blocks is None:
            blocks = known[id(rows)] = _blocks(rows, naming)
        found += [block._replace(input=dump.input, step=dump.step) for block in blocks]
    return found


def _blocks(rows: Rows, naming: Naming) -> list[LsBlock]:
    parts: dict[str, list[LsTensor]] = {}
    for row in rows:
        parts.setdefault(naming.block(row.layer), []).append(row)
    return [
        LsBlock(
            "",
            None,
            block,
            len(some),
            sum(math.prod(row.shape) for row in some),
            sum(row.bytes for row in some),
            list(dict.fromkeys(row.dtype for row in some)),
        )
        for block, some in sorted(parts.items(), key=lambda pair: natural(pair[0]))
    ]


def _joined(files: Sequence[_File], dump: OpenDump) -> list[_File]:
    """Return one row for each tensor that is put together from pieces, with its full shape and size."""
    firsts: dict[str, LsTensor] = {}
    for file in files:
        for row in file.rows:
            firsts.setdefault(row.name, row._replace(input=file.path))
    found = []
    for name, row in firsts.items():
        whole = dump.wholes[name]
        size = math.prod(whole.shape) * dump.tensors[whole.pieces[0].place].dtype.itemsize
        found.append(row._replace(shape=whole.shape, bytes=size))
    return [_File(files[0].path, tuple(sorted(found, key=lambda row: (natural(row.layer), natural(row.name)))))]


def _dump(source: DumpSource, dump: OpenDump, format: str, rows: Rows) -> LsDump:
    layout = "parameters" if isinstance(source.layout, ParamFiles) else "file" if len(source.files) == 1 else "shards"
    groups = step_groups(_column(rows, "name")).groups if rows and "/" in rows[0].name else {}
    return LsDump(
        source.label,
        dump.step if not groups else None,
        max(1, len(groups)),
        format,
        layout,
        len(source.files),
        len(rows),
        sum(map(math.prod, _column(rows, "shape"))),
        sum(_column(rows, "bytes")),
        list(dict.fromkeys(_column(rows, "dtype"))),
    )


def _others(kinds: Sequence[Rows]) -> OtherTensors | None:
    """Compare the tensors of dumps of several kinds; None if they only stand in other orders or files."""
    shapes: dict[str, set[tuple[int, ...]]] = {}
    dtypes: dict[str, set[str]] = {}
    holders: dict[str, int] = {}
    for rows in kinds:
        for name in dict.fromkeys(row.name for row in rows):
            holders[name] = holders.get(name, 0) + 1
        for row in rows:
            shapes.setdefault(row.name, set()).add(row.shape)
            dtypes.setdefault(row.name, set()).add(row.dtype)
    names = sorted(holders, key=natural)
    found = OtherTensors(
        len(names),
        [name for name in names if holders[name] < len(kinds)],
        [name for name in names if len(shapes[name]) > 1],
        [name for name in names if len(dtypes[name]) > 1],
    )
    return found if found.some or found.shapes or found.dtypes else None
