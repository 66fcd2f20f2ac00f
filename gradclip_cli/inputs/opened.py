"""Open dumps and read their headers; no other module opens dumps, but for a glance when they are found (`headers`)."""

import os
from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from types import TracebackType
from typing import NamedTuple

from gradclip_cli.errors import InputError
from gradclip_cli.formats.accumulated import PortableAccumulation
from gradclip_cli.formats.base import Format, Headers, Options, Reader
from gradclip_cli.formats.opening import opened
from gradclip_cli.formats.portable import PortableReader
from gradclip_cli.inputs.loss_scale import loss_scale_notes, scale_of
from gradclip_cli.inputs.naming import LayerParam
from gradclip_cli.inputs.pieces import Shape, Whole, wholes
from gradclip_cli.inputs.places import places_of
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.inputs.steps import CAPTURE, step_in_metadata
from gradclip_cli.inputs.uncounted import notes_on, only_other
from gradclip_cli.notes import Note
from gradclip_cli.spec_table import extended, marked, names_of, renamed, rows_of, shapes_of
from gradclip_cli.storage.fingerprint import Fingerprint
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import printable


class DumpFile(NamedTuple):
    """One file of a dump, as it was when its header was read; `start` is the index in the dump of its first tensor.

    `others` are the files that are accumulated with it, in the way `accumulate`.
    """

    path: str
    fingerprint: Fingerprint
    start: int
    others: tuple["DumpFile", ...] = ()
    accumulate: str = ""


class OpenFile(NamedTuple):
    """One open file of a dump; `tensors` have their names in the dump, which may differ from those in the file.

    `reader` may read several files as one, and then has other dtypes than `tensors`, which are as stored; `template` is the
    reader of the first of them, which an output in the same format is a copy of.
    """

    format: Format
    reader: Reader
    tensors: Sequence[TensorSpec]
    portable: PortableReader  # the same reader, for tasks
    template: Reader

    @property
    def path(self) -> str:
        """The path of the file."""
        return self.reader.file.path


class OpenDump:
    """A dump that is opened file by file; each header is read once, and the readers of the files read the elements.

    `files`, `tensors` (with their names in the dump), `non_numeric` and `notes` cover the files that were opened so far.
    What is not numbers, but holds floats, is in the notes only. `scale` is the loss scale of all of them. `wholes` are the
    tensors whose pieces lie in several files and say where they belong, by name.
    """

    def __init__(self, source: DumpSource, selection: Selection, headers: Headers | None = None) -> None:
        self.source, self._selection, self._headers = source, selection, headers
        self.files: list[DumpFile] = []
        self.tensors: Sequence[TensorSpec] = []
        self.non_numeric: list[str] = []
        self.notes: list[Note] = []
        self._metadata: Mapping[str, str] = {}  # of the first file
        self.scale = 1.0
        self._names: list[Sequence[str]] = []  # the tensor names in each file
        self._offsets: list[Shape] = []  # of each tensor, if files say so
        self._open = ExitStack()

    def __enter__(self) -> "OpenDump":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def each(self) -> Iterator[OpenFile]:
        """Open the files one after the other, closing each before the next: there may be too many to keep open."""
        for paths in self._sets():
            yield self._opened(paths)
            self._open.close()

    def all(self) -> list[OpenFile]:
        """Open all files and keep them open; raise InputError if they are not one dump."""
        files = [self._opened(paths) for paths in self._sets()]
        self.check()
        return files

    def _sets(self) -> list[tuple[str, ...]]:
        """Return the files that are read as one: each by itself, or all that are accumulated."""
        files = self.source.files
        return [files] if self.source.layout.accumulate else [(path,) for path in files]

    def _opened(self, paths: Sequence[str]) -> OpenFile:
        mode, start = self.source.layout.accumulate or "", len(self.tensors)
        with _listed_by(self.source):
            file = _opened_as_one([(path, None) for path in paths], mode, self._selection, self._headers, self._open)
        for reader in file.portable.readers:
            self._take_scale(reader, self.source.files[0])
        names = names_of(file.tensors)
        own = self.source.layout.tensor_names(paths[0], names)
        if own is not names:
            file = file._replace(tensors=renamed(file.tensors, own))
        self._metadata = self._metadata if self.files else file.reader.metadata
        self.files.append(_dump_file(file, start, mode))
        self.tensors = extended(self.tensors, file.tensors)
        self.non_numeric += only_other(file.reader)
        self.notes += [*file.reader.notes, *notes_on(file.reader, file.tensors, self._selection)]
        self.notes += self.source.layout.notes(paths[0], file.reader.metadata)
        self._names.append(names)
        self._offsets += self.source.layout.offsets(paths[0], file.tensors, file.reader.metadata) or ()
        return file

    def _take_scale(self, reader: Reader, first: str) -> None:
        """Read the loss scale of a file; raise InputError if it is not that of the file `first`, which is read before."""
        path, unscale = reader.file.path, self._selection.unscale
        scale = scale_of(unscale, reader.metadata, path)
        if path != first and scale != self.scale:
            what = f"its loss scale is {scale:g}, but that of {first} is {self.scale:g}"
            raise InputError(f"{what}; the files of a dump must have one", path=path)
        self.scale = scale
        self.notes += loss_scale_notes(unscale, reader.metadata, path)

    def check(self) -> None:
        """Raise InputError if the files are not one dump, or no longer its files; call it after all were opened."""
        self.source.layout.check(self.source, self._names)
        for name, whole in self.wholes.items():
            path = file_of(self.files, whole.pieces[0].place).path
            if flaw := whole.flaw():
                raise InputError(
                    f"{flaw}; a file of the dump is missing, or is of another dump", path=path, tensor=name
                )
            if len(dtypes := {self.tensors[index].dtype.name for index in (*whole.copies, *_indices(whole))}) > 1:
                raise InputError(f"its pieces are of {' and '.join(sorted(dtypes))}", path=path, tensor=name)

    @cached_property
    def wholes(self) -> dict[str, Whole]:
        """The tensors that are put together from pieces, by name; of all files that the dump has, once they were opened."""
        tensors = self.tensors if self._offsets else []
        return wholes(names_of(tensors), self._offsets, shapes_of(tensors))

    @property
    def step(self) -> int | None:
        """The step of the dump: from its name, or else from what the first of its files says of itself."""
        if self.source.step is None or (self.source.name is None and self._metadata.get("gradclip") == CAPTURE):
            found = step_in_metadata(self._metadata)
            return self.source.step if found is None else found
        return self.source.step

    @property
    def step_notes(self) -> list[Note]:
        """A note if the file says another step than its name."""
        if self.step == self.source.step or self.source.step is None:
            return []
        what = (
            f"says that it is of step {self.step}, and its name says {self.source.step}: the file's own word is taken"
        )
        return [Note("step", f"{self.source.location}: {what}")]

    @property
    def places(self) -> Sequence[LayerParam]:
        """The layer and param of each tensor; they depend on all tensor names of the dump."""
        return places_of(self._selection.naming, names_of(self.tensors))

    def taken(self, file: OpenFile) -> Sequence[int]:
        """Return the indices of the selected tensors of a file, gradients or not."""
        return self._selection.rows(names_of(file.tensors))

    def counted(self, file: OpenFile) -> Sequence[int]:
        """Return the indices of the selected tensors of a file that can be gradients: those of real or complex floats."""
        tensors, taken, counts = file.tensors, self.taken(file), self._selection.counts
        found = rows_of(tensors, lambda dtype: dtype.is_gradient, taken)
        no_gradients = {row for row, spec in marked(tensors) if not counts(spec)}
        return [row for row in found if row not in no_gradients] if no_gradients else found


def file_of(files: Sequence[DumpFile], index: int) -> DumpFile:
    """Return the file of a dump that holds a tensor."""
    return files[bisect(files, index, key=lambda file: file.start) - 1]


@contextmanager
def _listed_by(source: DumpSource) -> Iterator[None]:
    """Say which index lists a shard that is not there."""
    try:
        yield
    except InputError as error:
        if source.location in source.files or not isinstance(error.__cause__, FileNotFoundError):
            raise
        what = f"lists {printable(os.path.basename(error.path or ''))}, which is not there"
        raise InputError(
            f"{what}; copy the missing file beside it, or save the dump again", path=source.location
        ) from error


def _indices(whole: Whole) -> list[int]:
    return [piece.place for piece in whole.pieces]


@contextmanager
def reopened(file: DumpFile, selection: Selection, headers: Headers | None = None) -> Iterator[OpenFile]:
    """Open a file again, with its own tensor names; raise InputError if it has changed."""
    with ExitStack() as stack:
        paths = [(one.path, one.fingerprint) for one in (file, *file.others)]
        yield _opened_as_one(paths, file.accumulate, selection, headers, stack)


def _opened_as_one(
    files: Sequence[tuple[str, Fingerprint | None]],
    mode: str,
    selection: Selection,
    headers: Headers | None,
    stack: ExitStack,
) -> OpenFile:
    """Open a file, or several to be accumulated in the way `mode`; `stack` closes them."""
    options, name = _how(selection, headers)
    found = [stack.enter_context(opened(path, options, name, fingerprint)) for path, fingerprint in files]
    parts = [PortableReader.of(format, reader, options) for format, reader in found]
    (format, first), portable = found[0], parts[0]
    if mode:
        portable = PortableAccumulation(parts, mode)
    return OpenFile(format, portable.reader, first.tensors, portable, first)


def _dump_file(file: OpenFile, start: int, mode: str) -> DumpFile:
    """Describe an open file, or several that are read as one."""
    one, *others = [DumpFile(path, fingerprint, start) for path, fingerprint in file.portable.fingerprints]
    return one._replace(others=tuple(others), accumulate=mode)


def _how(selection: Selection, headers: Headers | None) -> tuple[Options, str | None]:
    return Options(selection.void_dtype, selection.allow_huge, headers), selection.input_format
