"""Compare a few tensors with those of the two dumps before, once the series is known: they are read again in all three."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from gradclip_cli.checks.base import Follow
from gradclip_cli.engine.compare import compare
from gradclip_cli.engine.compared_dump import ComparedDump, StoredTensor, opened
from gradclip_cli.engine.executors import Executor
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.inputs.opened import DumpFile
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.numerics import products
from gradclip_cli.numerics.comparison import Comparison, together
from gradclip_cli.numerics.differences import Tolerance
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.numerics.products import L2Norm
from gradclip_cli.storage.fingerprint import changed
from gradclip_cli.tensors import Piece, TensorSpec, slices_in_order


class Origin(NamedTuple):
    """Where the tensors of a dump can be read again: its files as they were, and how their names differ from the series'."""

    source: DumpSource
    files: Sequence[DumpFile]
    prefix: str
    row: int | None
    own_names: Mapping[str, str]

    @classmethod
    def of(cls, dump: MeasuredDump) -> "Origin":
        """Return the origin of a dump that was measured."""
        own = {series: name for name, series in dump.other_names.items()}
        return cls(dump.source, dump.files, dump.prefix, dump.row, own)

    def name(self, series: str) -> str:
        """Return the name in the dump of a tensor of the series."""
        return self.prefix + self.own_names.get(series, series)


class SliceReader(NamedTuple):
    """Reads one slice along axis 0 of a tensor as if it were a tensor of its own."""

    whole: StoredTensor
    row: int

    @property
    def path(self) -> str:
        """The path of the file."""
        return self.whole.file.path

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths that progress is reported for."""
        return self.whole.file.paths

    @property
    def reader(self) -> "SliceReader":
        """What reads the elements: the slice itself."""
        return self

    @property
    def stored(self) -> StoredTensor:
        """The slice as a tensor."""
        spec = self.whole.spec
        offset = None if spec.offset is None else spec.position(self.row * spec.slice_size)
        return StoredTensor(self, replace(spec, shape=spec.shape[1:], offset=offset), self.whole.scale)

    def read(self, spec: TensorSpec, start: int, out: Raw) -> None:
        """Fill `out` with the elements of the slice from element `start` on; what is encoded is read from its beginning."""
        whole, read = self.whole.spec, self.whole.file.reader.read
        first = self.row * whole.slice_size
        if whole.offset is None and start == 0:
            for piece in slices_in_order(Piece(0, 1, 0, first), whole):
                read(whole, piece.start, np.empty((piece.stop - piece.start) * whole.dtype.itemsize, np.uint8))
        read(whole, first + start, out)


def follows(rows: Mapping[str, Sequence[int]], origins: Sequence[Origin], run: Run) -> dict[str, list[Follow]]:
    """Compare each tensor, by its name in the series, in the given dumps (`rows`) with itself in the two dumps before.

    A dump whose tensor has another shape than in one of those before adds nothing.
    """
    wanted: dict[int, list[str]] = {}
    for name, places in rows.items():
        for row in places:
            wanted.setdefault(row, []).append(name)
    found: dict[str, list[Follow]] = {name: [] for name in rows}
    for row, names in sorted(wanted.items()):
        for name, one in _followed(names, row, origins, run):
            found[name].append(one)
    return found


def _followed(names: Sequence[str], row: int, origins: Sequence[Origin], run: Run) -> Iterator[tuple[str, Follow]]:
    """Yield how tensors follow in a dump from those of the two before; leave out those without a direction."""
    with ExitStack() as stack:
        three = [(stack.enter_context(_reopened(one, run)), one) for one in origins[row - 2 : row + 1]]
        before, now, apart = (_compared(names, three[a], three[b], run.workers) for a, b in ((0, 1), (1, 2), (0, 2)))
        for dump, _ in three:
            dump.verify()
    for name in names:
        cosines = [_cosine(one.get(name)) for one in (now, before, apart)]
        if None not in cosines:
            norms = _norm(before[name].a), _norm(now[name].a), _norm(now[name].b)
            yield name, Follow(row, norms, *(cosine or 0.0 for cosine in cosines))


@contextmanager
def _reopened(origin: Origin, run: Run) -> Iterator[ComparedDump]:
    """Open a dump again; raise InputError if a file has changed."""
    with opened(origin.source, run) as dump:
        known = {one.path: one.fingerprint for file in origin.files for one in (file, *file.others)}
        for file in dump.files:
            for path, fingerprint in file.portable.fingerprints:
                if known.get(path) != fingerprint:
                    raise changed(path)
        yield dump


def _compared(
    names: Sequence[str],
    before: tuple[ComparedDump, Origin],
    after: tuple[ComparedDump, Origin],
    workers: Executor,
) -> dict[str, Comparison]:
    """Compare tensors of two dumps, all pieces of each; leave out those of which not all pieces can be compared."""
    olds, news = (
        {(name, k): piece for name in names for k, piece in enumerate(_pieces(*dump, name))} for dump in (before, after)
    )
    parts: dict[str, list[Comparison]] = {}
    for (name, _), one in compare(olds, news, Tolerance(), workers).items():
        parts.setdefault(name, []).append(one)
    pieces = Counter(name for name, _ in {**olds, **news})
    return {name: together(some) for name, some in parts.items() if len(some) == pieces[name]}


def _pieces(dump: ComparedDump, origin: Origin, name: str) -> Sequence[StoredTensor]:
    pieces = dump.pieces_of(origin.name(name))
    return pieces if origin.row is None else [SliceReader(piece, origin.row).stored for piece in pieces]


def _cosine(found: Comparison | None) -> float | None:
    if found is None or found.a is None or found.b is None or found.product is None:
        return None
    return products.cosine(found.a, found.b, found.product)


def _norm(found: L2Norm | None) -> float:
    return 0.0 if found is None else found.norm
