"""Compare a few tensors with those of the two dumps before, once the series is known: they are read again in all three."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from gradclip_cli.checks.base import Follow
from gradclip_cli.commands.check.collect import DumpFigures
from gradclip_cli.engine.compare import compare
from gradclip_cli.engine.compared_dump import StoredTensor
from gradclip_cli.engine.executors.base import Executor
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.tensor_places import TensorPiece, TensorPlaces
from gradclip_cli.inputs.opened import DumpFile, OpenFile
from gradclip_cli.numerics import products
from gradclip_cli.numerics.comparison import Comparison, together
from gradclip_cli.numerics.differences import Tolerance
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.numerics.products import L2Norm
from gradclip_cli.tensors import Piece, TensorSpec, slices_in_order


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
    def has_checksums(self) -> bool:
        """Whether the file holds checksums."""
        return self.whole.file.has_checksums

    def receipts(self) -> Any | None:
        """Return and forget what another process has read of the file."""
        return self.whole.file.receipts()

    def take(self, receipts: Any) -> None:
        """Take what another process has read of the file."""
        self.whole.file.take(receipts)

    @property
    def stored(self) -> StoredTensor:
        """The slice as a tensor."""
        spec = self.whole.spec
        offset = None if spec.offset is None else spec.position(self.row * spec.slice_size)
        return StoredTensor(self, replace(spec, shape=spec.shape[1:], offset=offset, slot=None), self.whole.scale)

    def read(self, spec: TensorSpec, start: int, out: Raw) -> None:
        """Fill `out` with the elements of the slice from element `start` on; what is encoded is read from its beginning."""
        whole, read = self.whole.spec, self.whole.file.read
        first = self.row * whole.slice_size
        if whole.offset is None and start == 0:
            for piece in slices_in_order(Piece(0, 1, 0, first), whole):
                read(whole, piece.start, np.empty((piece.stop - piece.start) * whole.dtype.itemsize, np.uint8))
        read(whole, first + start, out)


def follows(rows: Mapping[str, Sequence[int]], dumps: Sequence[DumpFigures], run: Run) -> dict[str, list[Follow]]:
    """Compare each tensor, by its name in the series, in the given dumps (`rows`) with itself in the two dumps before.

    A dump whose tensor has another shape than in one of those before adds nothing.
    """
    wanted: dict[int, list[str]] = {}
    for name, places in rows.items():
        for row in places:
            wanted.setdefault(row, []).append(name)
    found: dict[str, list[Follow]] = {name: [] for name in rows}
    for row, names in sorted(wanted.items()):
        three = dumps[row - 2 : row + 1]
        stored = [_places(names, one) for one in three]
        about = "follows", names, [_about(one.stored, some) for one, some in zip(three, stored, strict=True)]
        find = partial(_followed, names, three, stored, run)
        for name, one in run.read_again([one.stored.source for one in three], about, find, _made):
            found[name].append(one._replace(row=row))
    return found


def _places(names: Sequence[str], dump: DumpFigures) -> list[list[TensorPiece]]:
    """Return the pieces of each of some tensors of a dump."""
    numbers = {tensor.name: k for k, tensor in enumerate(dump.tensors)}
    return [dump.stored.pieces(numbers[name]) for name in names]


def _about(stored: TensorPlaces, places: Sequence[Sequence[TensorPiece]]) -> object:
    """Return which slice, and which tensors of which files, the pieces of tensors are."""
    files = stored.source.files
    return stored.row, [[(files.index(one.file.path), one.number) for one in pieces] for pieces in places]


def _made(value: Sequence[Any]) -> list[tuple[str, Follow]]:
    """Make what is known of tensors of plain values."""
    return [(name, Follow(row, tuple(norms), *rest)) for name, (row, norms, *rest) in value]


def _followed(
    names: Sequence[str], dumps: Sequence[DumpFigures], places: Sequence[Sequence[Sequence[TensorPiece]]], run: Run
) -> list[tuple[str, Follow]]:
    """Return how tensors follow in a dump from those of the two before; leave out those without a direction."""
    with ExitStack() as stack:
        files = dict[tuple[DumpFile, int | None], OpenFile]()
        pairs = zip(dumps, places, strict=True)
        three = [_opened(names, dump.stored, own, files, run, stack) for dump, own in pairs]
        before, now, apart = (_compared(three[a], three[b], run.workers) for a, b in ((0, 1), (1, 2), (0, 2)))
        for file in files.values():
            file.reader.verify()
    found = list[tuple[str, Follow]]()
    for name in names:
        cosines = [_cosine(one.get(name)) for one in (now, before, apart)]
        if None not in cosines:
            norms = _norm(before[name].a), _norm(now[name].a), _norm(now[name].b)
            found.append((name, Follow(0, norms, *(cosine or 0.0 for cosine in cosines))))
    return found


Pieces = Mapping[tuple[str, int], StoredTensor]
"""The pieces of tensors, by their names in the series and their numbers."""


def _opened(
    names: Sequence[str],
    stored: TensorPlaces,
    places: Sequence[Sequence[TensorPiece]],
    files: dict[tuple[DumpFile, int | None], OpenFile],
    run: Run,
    stack: ExitStack,
) -> Pieces:
    """Open the files of some tensors of a dump again; raise InputError if one has changed.

    Each slice has a reader of its own, since what is encoded can only be read onwards.
    """
    found = {}
    for name, pieces in zip(names, places, strict=True):
        for k, (file, number) in enumerate(pieces):
            key = file, stored.row
            if key not in files:
                files[key] = stack.enter_context(run.reopen(file))
            opened = files[key]
            piece = StoredTensor.of(opened.portable, opened.reader.tensors[number], stored.scale)
            found[name, k] = piece if stored.row is None else SliceReader(piece, stored.row).stored
    return found


def _compared(before: Pieces, after: Pieces, workers: Executor) -> dict[str, Comparison]:
    """Compare tensors of two dumps, all pieces of each; leave out those of which not all pieces can be compared."""
    parts: dict[str, list[Comparison]] = {}
    for (name, _), one in compare(before, after, Tolerance(), workers).items():
        parts.setdefault(name, []).append(one)
    pieces = Counter(name for name, _ in {**before, **after})
    return {name: together(some) for name, some in parts.items() if len(some) == pieces[name]}


def _cosine(found: Comparison | None) -> float | None:
    if found is None or found.a is None or found.b is None or found.product is None:
        return None
    return products.cosine(found.a, found.b, found.product)


def _norm(found: L2Norm | None) -> float:
    return 0.0 if found is None else found.norm
