"""Two dumps read side by side."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import chain, groupby
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from gradclip_cli.engine.executors import Executor, room
from gradclip_cli.engine.measure import Read, measure
from gradclip_cli.engine.row_major import TURNED_BYTES, Turned
from gradclip_cli.engine.survey import Progress, open_dump
from gradclip_cli.errors import InputError
from gradclip_cli.formats.base import Reader
from gradclip_cli.inputs import shards
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.numerics.comparison import Chunk, Comparison, compare_piece, merge
from gradclip_cli.numerics.differences import Tolerance
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.numerics.products import L2Norm
from gradclip_cli.numerics.workspace import Buffer, Workspace
from gradclip_cli.tensors import PIECE_BYTES, Slab, TensorSpec, cut, in_order
from gradclip_cli.text import listed


class Source(NamedTuple):
    """A tensor, and the file that it lies in."""

    reader: Reader
    spec: TensorSpec


class Opened(NamedTuple):
    """A dump whose headers have been read: its files, and those of its tensors that count."""

    path: str
    files: list[tuple[Reader, list[TensorSpec]]]
    tensors: dict[str, Source]

    @property
    def notes(self) -> list[str]:
        """What a person should know of the files."""
        others = [name for reader, _ in self.files for name in reader.others]
        return [f"{self.path}: not numbers, not compared: {listed(others)}"] if others else []

    def verify(self) -> None:
        """Raise if what was read does not agree with a file's own checksums, or if one has changed."""
        for reader, _ in self.files:
            reader.verify()


class Pair(NamedTuple):
    """Two tensors of one name and shape."""

    a: Source
    b: Source

    @property
    def turned(self) -> bool:
        """Whether only one of them lies in column-major order."""
        return self.a.spec.fortran != self.b.spec.fortran

    @property
    def laid(self) -> TensorSpec:
        """The first as it is to be cut: what is packed or turned on either side stays in one piece, and is done in order."""
        whole = self.turned or self.b.spec.offset is None
        return replace(self.a.spec, offset=None) if whole else self.a.spec


@contextmanager
def opened(path: str, selection: Selection) -> Iterator[Opened]:
    """Open all files of a dump; complex tensors are refused, since they have no place in a norm."""
    with ExitStack() as stack:
        found = shards.parts(path)
        readers = [stack.enter_context(open_dump(part, selection))[1] for part in found]
        shards.check(path, found, [[spec.name for spec in reader.tensors] for reader in readers])
        files = [(reader, shards.named(path, reader.file.path, reader.tensors)) for reader in readers]
        sources = {
            known.name: Source(reader, spec)
            for reader, specs in files
            for known, spec in zip(specs, reader.tensors, strict=True)
            if selection.takes(known.name)
        }
        for reader, spec in sources.values():
            if spec.dtype.kind == "complex":
                message = f"is {spec.dtype.name}, which diff does not compare; leave it out with --exclude"
                raise InputError(message, path=reader.file.path, tensor=spec.name)
        yield Opened(path, files, sources)


def compare(a: Opened, b: Opened, tolerance: Tolerance, workers: Executor, progress: Progress) -> dict[str, Comparison]:
    """Compare the tensors that both dumps have in one shape, by name; each is read once."""
    shared = {
        name: Pair(source, b.tensors[name])
        for name, source in a.tensors.items()
        if name in b.tensors and source.spec.shape == b.tensors[name].spec.shape
    }
    names, pairs = list(shared), list(shared.values())

    def task(slab: Slab) -> list[tuple[int, Chunk]]:
        slabs = [slab]
        if slab.count > 1:
            slabs = [Slab(k, 1, 0, pairs[k].a.spec.size) for k in range(slab.index, slab.index + slab.count)]
        return [
            (one.index, chunk)
            for one in slabs
            for chunk in _chunks(pairs[one.index], one, tolerance, progress, workers.work)
        ]

    chunks = chain.from_iterable(workers.map(task, cut([pair.laid for pair in pairs], range(len(pairs)))))
    found = {}
    for index, group in groupby(chunks, key=itemgetter(0)):  # they come tensor by tensor
        a_spec, b_spec = (source.spec for source in pairs[index])
        found[names[index]] = merge([chunk for _, chunk in group], (a_spec.dtype, b_spec.dtype))
    return found


def lengths(dump: Opened, compared: dict[str, Comparison], workers: Executor, progress: Progress) -> dict[str, L2Norm]:
    """Measure the floats of a dump that were not compared, by name."""
    found = {}
    for reader, specs in dump.files:
        wanted = [
            k
            for k, spec in enumerate(specs)
            if spec.name in dump.tensors and spec.name not in compared and spec.dtype.is_float
        ]
        measured = measure(reader.tensors, wanted, _told(reader.read, reader, progress), (2.0,), workers)
        for k, stats in measured.items():
            infinite = bool(stats.posinf or stats.neginf)
            found[specs[k].name] = L2Norm(stats.powers[0], bool(stats.nan), infinite)
    return found


def _chunks(pair: Pair, slab: Slab, tolerance: Tolerance, progress: Progress, work: Workspace) -> Iterator[Chunk]:
    """Read a slab of both tensors and compare it; one that is turned is read in the order of the other."""
    dtypes = pair.a.spec.dtype, pair.b.spec.dtype
    with ExitStack() as stack:
        stack.enter_context(room(sum(source.spec.held for source in pair)))
        reads = [_reading(source, pair.turned, stack, work) for source in pair]
        for piece in in_order(slab, pair.a.spec, TURNED_BYTES if pair.turned else PIECE_BYTES):
            raws = [
                _fetched(_told(read, source.reader, progress), source.spec, piece, buffer)
                for read, source, buffer in zip(reads, pair, (work.raw, work.raw_b), strict=True)
            ]
            yield compare_piece(raws[0], raws[1], dtypes, tolerance, work)


def _reading(source: Source, turned: bool, stack: ExitStack, work: Workspace) -> Read:
    if turned and source.spec.fortran:
        return stack.enter_context(Turned(source.reader.read, source.spec, work, source.reader.file.path)).read
    return source.reader.read


def _told(read: Read, reader: Reader, progress: Progress) -> Read:
    """Tell of every piece that is read."""

    def tell(spec: TensorSpec, start: int, out: Raw) -> None:
        read(spec, start, out)
        progress(out.size, reader.file.path)

    return tell


def _fetched(read: Read, spec: TensorSpec, piece: Slab, buffer: Buffer) -> Raw:
    """Read a piece into memory that is used again."""
    raw = buffer.take((piece.stop - piece.start) * spec.dtype.itemsize, np.uint8)
    read(spec, piece.start, raw)
    return raw
