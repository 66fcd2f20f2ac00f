"""Two dumps read side by side."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import chain, groupby
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from gradclip_cli.engine import row_major
from gradclip_cli.engine.executors import Executor, room
from gradclip_cli.engine.measure import FileRead, Read, measure
from gradclip_cli.engine.row_major import Turned
from gradclip_cli.engine.run import Progress, Run, silent
from gradclip_cli.errors import InputError
from gradclip_cli.formats.portable import PortableReader
from gradclip_cli.inputs.opened import OpenFile
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.numerics.comparison import Chunk, Comparison, compare_piece, merge
from gradclip_cli.numerics.differences import Tolerance
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.numerics.products import L2Norm
from gradclip_cli.numerics.workspace import Buffer, Workspace
from gradclip_cli.tensors import Slab, TensorSpec, cut, in_order
from gradclip_cli.text import listed


class StoredTensor(NamedTuple):
    """A tensor, and the open file that it lies in."""

    file: PortableReader
    spec: TensorSpec


class ComparedDump(NamedTuple):
    """A dump that is open: its files, and those of its tensors that are compared, by name."""

    source: DumpSource
    files: list[OpenFile]
    tensors: dict[str, StoredTensor]

    @property
    def notes(self) -> list[str]:
        """What a person should know of the files."""
        others = [name for file in self.files for name in file.reader.others]
        return [f"{self.source.location}: not numbers, not compared: {listed(others)}"] if others else []

    def verify(self) -> None:
        """Raise if what was read does not agree with a file's own checksums, or if one has changed."""
        for file in self.files:
            file.reader.verify()


class Pair(NamedTuple):
    """Two tensors of one name and shape."""

    a: StoredTensor
    b: StoredTensor

    @property
    def turned(self) -> bool:
        """Whether only one of them lies in column-major order."""
        return self.a.spec.fortran != self.b.spec.fortran

    @property
    def laid(self) -> TensorSpec:
        """The first as it is to be cut: what is packed or turned on either side stays in one piece, and is done in order."""
        whole = self.turned or self.b.spec.offset is None
        return replace(self.a.spec, offset=None) if whole else self.a.spec


class CompareTask(NamedTuple):
    """Compares slabs of pairs of tensors; of what another process compares, nobody is told."""

    pairs: Sequence[Pair]
    tolerance: Tolerance
    work: Workspace
    progress: Progress = silent

    def compare(self, slab: Slab) -> list[tuple[int, Chunk]]:
        """Return what is found in each piece, with the number of its pair."""
        slabs = [slab]
        if slab.count > 1:
            slabs = [Slab(k, 1, 0, self.pairs[k].a.spec.size) for k in range(slab.index, slab.index + slab.count)]
        return [(one.index, chunk) for one in slabs for chunk in self._chunks(self.pairs[one.index], one)]

    def _chunks(self, pair: Pair, slab: Slab) -> Iterator[Chunk]:
        """Read a slab of both tensors and compare it; one that is turned is read in the order of the other."""
        dtypes = pair.a.spec.dtype, pair.b.spec.dtype
        with ExitStack() as stack:
            stack.enter_context(room(sum(stored.spec.held for stored in pair)))
            reads = [self._reading(stored, pair.turned, stack) for stored in pair]
            for piece in in_order(slab, pair.a.spec, row_major.TURNED_BYTES if pair.turned else None):
                raws = [
                    self._fetch(read, stored, piece, buffer)
                    for read, stored, buffer in zip(reads, pair, (self.work.raw, self.work.raw_b), strict=True)
                ]
                yield compare_piece(raws[0], raws[1], dtypes, self.tolerance, self.work)

    def _reading(self, stored: StoredTensor, turned: bool, stack: ExitStack) -> Read:
        read = stored.file.reader.read
        if turned and stored.spec.fortran:
            return stack.enter_context(Turned(read, stored.spec, self.work, stored.file.path)).read
        return read

    def _fetch(self, read: Read, stored: StoredTensor, piece: Slab, buffer: Buffer) -> Raw:
        """Read a piece into memory that is used again."""
        raw = buffer.take((piece.stop - piece.start) * stored.spec.dtype.itemsize, np.uint8)
        read(stored.spec, piece.start, raw)
        self.progress(raw.size, stored.file.path)
        return raw

    def __reduce__(self) -> tuple[type["CompareTask"], tuple[object, ...]]:
        return CompareTask, (self.pairs, self.tolerance, self.work)


@contextmanager
def opened(source: DumpSource, run: Run) -> Iterator[ComparedDump]:
    """Open all files of a dump; complex tensors are refused, since they have no place in a norm."""
    with run.open(source) as dump:
        files = dump.all()
        tensors = {
            known.name: StoredTensor(file.portable, spec)
            for file in files
            for known, spec in zip(file.tensors, file.reader.tensors, strict=True)
            if run.selection.takes(known.name)
        }
        for file, spec in tensors.values():
            if spec.dtype.kind == "complex":
                message = f"is {spec.dtype.name}, which diff does not compare; leave it out with --exclude"
                raise InputError(message, path=file.path, tensor=spec.name)
        yield ComparedDump(source, files, tensors)


def compare(
    a: Mapping[str, StoredTensor],
    b: Mapping[str, StoredTensor],
    tolerance: Tolerance,
    workers: Executor,
    progress: Progress = silent,
) -> dict[str, Comparison]:
    """Compare the tensors that are on both sides in one shape, by name; each is read once."""
    shared = {
        name: Pair(stored, b[name])
        for name, stored in a.items()
        if name in b and stored.spec.shape == b[name].spec.shape
    }
    names, pairs = list(shared), list(shared.values())

    task = CompareTask(pairs, tolerance, workers.work, progress)
    chunks = chain.from_iterable(workers.map(task.compare, cut([pair.laid for pair in pairs], range(len(pairs)))))
    found = {}
    for index, group in groupby(chunks, key=itemgetter(0)):  # they come tensor by tensor
        a_spec, b_spec = (stored.spec for stored in pairs[index])
        found[names[index]] = merge([chunk for _, chunk in group], (a_spec.dtype, b_spec.dtype))
    return found


def lengths(dump: ComparedDump, compared: Mapping[str, Comparison], run: Run) -> dict[str, L2Norm]:
    """Measure the floats of a dump that were not compared, by name."""
    found = {}
    for _, reader, specs, portable in dump.files:
        wanted = [
            k
            for k, spec in enumerate(specs)
            if spec.name in dump.tensors and spec.name not in compared and spec.dtype.is_float
        ]
        measured = measure(reader.tensors, wanted, FileRead(portable, run.progress).read, (2.0,), run.workers)
        for k, stats in measured.items():
            infinite = bool(stats.posinf or stats.neginf)
            found[specs[k].name] = L2Norm(stats.powers[0], bool(stats.nan), infinite)
    return found
