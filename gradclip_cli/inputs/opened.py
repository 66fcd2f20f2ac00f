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
from gradclip_cli.inputs.captured import is_captured, stage_notes
from gradclip_cli.inputs.loss_scale import loss_scale_notes, scale_of
from gradclip_cli.inputs.outline import Outline, Outlines
from gradclip_cli.inputs.pieces import Shape, Whole, wholes
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.inputs.steps import step_in_metadata
from gradclip_cli.inputs.uncounted import notes_on, only_other
from gradclip_cli.notes import Note
from gradclip_cli.spec_table import extended, names_of, renamed, shapes_of
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
    outline: Outline  # of `tensors`

    @property
    def path(self) -> str:
        """The path of the file."""
        return self.reader.file.path


class OpenDump:
    """A dump that is opened file by file; each header is read once, and the readers of the files read the elements.

    `files`, `tensors` (with their names in the dump), `non_numeric` and `notes` cover the files that were opened so far.
    What is not numbers, but holds floats, is in the notes only. `metadata` is that of the first, `scale` the loss scale of all
    of them. `wholes` are the tensors whose pieces lie in several files and say where they belong, by name.
    """

    def __init__(
        self,
        source: DumpSource,
        selection: Selection,
        headers: Headers | None = None,
        outlines: Outlines | None = None,
    ) -> None:
        self.source, self._selection = source, selection
        self._how = _How.of(selection, headers, outlines)
        self.files: list[DumpFile] = []
        self.tensors: Sequence[TensorSpec] = []
        self.non_numeric: list[str] = []
        self.notes: list[Note] = []
        self.metadata: Mapping[str, str] = {}  # of the first file
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
        try:
            file = _opened_as_one([(path, None) for path in paths], mode, self._how, self._open)
        except InputError as error:
            if not _lacks_listed(self.source, error):
                raise
            raise _not_there(self.source, error) from error
        for reader in file.portable.readers:
            self._take_scale(reader, self.source.files[0])
        outline, names = file.outline, file.outline.names
        own = self.source.layout.tensor_names(paths[0], names)
        if own is not names:
            tensors = renamed(file.tensors, own)
            file = file._replace(tensors=tensors, outline=Outline(tensors, self._selection))
            outline = file.outline
        reader, layout = file.reader, self.source.layout
        self.metadata = self.metadata if self.files else reader.metadata
        self._extend(outline.tensors)
        self.files.append(_dump_file(file, start, mode))
        self.non_numeric += only_other(reader)
        self.notes += [*reader.notes, *notes_on(reader, outline, self._selection)]
        self.notes += [*layout.notes(paths[0], reader.metadata), *stage_notes(paths[0], reader.metadata)]
        self._names.append(names)
        self._offsets += layout.offsets(paths[0], outline.tensors, reader.metadata) or ()
        return file

    def _extend(self, tensors: Sequence[TensorSpec]) -> None:
        """Add the tensors of a file; a dump of one file shares them with the dumps before it, if those have the same header."""
        if not self.files:
            self.tensors = tensors
            return
        own = extended([], self.tensors) if len(self.files) == 1 else self.tensors
        self.tensors = extended(own, tensors)

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
        if self.source.step is None or (self.source.name is None and is_captured(self.metadata)):
            found = step_in_metadata(self.metadata)
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


def file_of(files: Sequence[DumpFile], index: int) -> DumpFile:
    """Return the file of a dump that holds a tensor."""
    return files[bisect(files, index, key=lambda file: file.start) - 1]


def _lacks_listed(source: DumpSource, error: InputError) -> bool:
    """Whether an index lists a shard that is not there."""
    return source.location not in source.files and isinstance(error.__cause__, FileNotFoundError)


def _not_there(source: DumpSource, error: InputError) -> InputError:
    """Say which index lists the shard."""
    what = f"lists {printable(os.path.basename(error.path or ''))}, which is not there"
    return InputError(f"{what}; copy the missing file beside it, or save the dump again", path=source.location)


def _indices(whole: Whole) -> list[int]:
    return [piece.place for piece in whole.pieces]


@contextmanager
def reopened(file: DumpFile, selection: Selection, headers: Headers | None = None) -> Iterator[OpenFile]:
    """Open a file again, with its own tensor names; raise InputError if it has changed."""
    with ExitStack() as stack:
        paths = [(one.path, one.fingerprint) for one in (file, *file.others)]
        yield _opened_as_one(paths, file.accumulate, _How.of(selection, headers), stack)


class _How(NamedTuple):
    """How files are opened."""

    options: Options
    format: str | None
    outlines: Outlines
    selection: Selection

    @classmethod
    def of(cls, selection: Selection, headers: Headers | None, outlines: Outlines | None = None) -> "_How":
        options = Options(selection.void_dtype, selection.allow_huge, headers)
        return cls(options, selection.input_format, outlines or Outlines(), selection)


def _opened_as_one(files: Sequence[tuple[str, Fingerprint | None]], mode: str, how: _How, stack: ExitStack) -> OpenFile:
    """Open a file, or several to be accumulated in the way `mode`; `stack` closes them."""
    options = how.options
    found = [stack.enter_context(opened(path, options, how.format, fingerprint)) for path, fingerprint in files]
    parts = [PortableReader.of(format, reader, options) for format, reader in found]
    (format, first), portable = found[0], parts[0]
    if mode:
        portable = PortableAccumulation(parts, mode)
    return OpenFile(
        format, portable.reader, first.tensors, portable, first, how.outlines.of(first.tensors, how.selection)
    )


def _dump_file(file: OpenFile, start: int, mode: str) -> DumpFile:
    """Describe an open file, or several that are read as one."""
    (path, fingerprint), *rest = file.portable.fingerprints
    others = tuple(DumpFile(path, fingerprint, start) for path, fingerprint in rest) if rest else ()
    return DumpFile(path, fingerprint, start, others, mode)
