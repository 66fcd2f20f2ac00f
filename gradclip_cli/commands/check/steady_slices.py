"""Find slices along axis 0 that hold the same bits in every dump of a series, and report them with those that are zero.

Four elements of each slice are compared while dumps are measured. Nearly always none are left after the second dump, and from
then on nothing is looked at; what is left is read again and compared whole. Left out are tensors in column-major order, in
pieces, or whose slices are dumps themselves, those with many short slices, and small tensors of files with very many.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.checks.base import Figures, Problem, column_of
from gradclip_cli.checks.forward_order import forward_key, rows_need_not_occur
from gradclip_cli.checks.limits import Limits
from gradclip_cli.checks.stuck import DEAD_ADVICE, UNCHANGED_ADVICE
from gradclip_cli.commands.check.zero_slices import Known, MarkedSlices, Seen, Slices
from gradclip_cli.engine.measure import PieceObserver
from gradclip_cli.engine.reading import FileRead, fetch
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.engine.tensor_places import TensorPiece, TensorPlaces
from gradclip_cli.formats.base import Reader
from gradclip_cli.inputs.slices import slice_word
from gradclip_cli.numerics.dtypes import DType, Raw, words_of
from gradclip_cli.numerics.statistics import PieceStats
from gradclip_cli.numerics.statistics_arrays import StatsArrays
from gradclip_cli.tensors import Piece, TensorSpec, pieces_in_order
from gradclip_cli.text import ranges

_FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], np.uint64)
_MANY = 20_000
"""Small tensors are left out of files with more than so many tensors."""

_SHORT, _FEW = 64, 256
"""Slices of fewer elements are told apart only where a tensor has so few of them: a number is kept for each."""

_DUMPS = 3
"""Slices are reported that are zero or the same throughout in so many dumps at least."""

Signatures = NDArray[np.uint64]


class SteadyLook(NamedTuple):
    """Looks at four elements of the slices in the files of sources, if any are wanted; it can be pickled."""

    known: Known
    wanted: bool

    @property
    def names(self) -> tuple[Collection[str], Collection[str] | None]:
        """The names that decide what is looked at: those of the dumps so far, and those that are left, if any are wanted."""
        return self.known.seen, self.known.left if self.wanted else None

    def is_settled(self, name: str) -> bool:
        """Return whether a tensor is not looked at, by its name in the file."""
        return self.is_over or self.known.is_settled(name)

    @property
    def is_over(self) -> bool:
        """Whether no slice can be left, since none of the tensors of the dumps so far has any."""
        return not self.wanted or bool(self.known.seen and not self.known.left)

    def observer_for(self, reader: Reader, seen: Seen) -> PieceObserver | None:
        """Return the observer of the pieces of a file; None where no slices are wanted, or none can be left."""
        if self.is_over:
            return None
        specs, path = reader.tensors, reader.file.path

        def take(_: Piece, parts: list[_Signed]) -> None:
            for one in parts:
                signatures = seen.of(path, one.tensor, specs[one.tensor], one.number, np.uint64)
                signatures[one.first : one.first + one.sums.size] += one.sums

        return PieceObserver(_PieceSignatures(specs, self.known.settled(specs)).see, take)


class SteadySlices:
    """The slices with other than zeros whose four elements are the same in all dumps so far; each source is taken in order."""

    def __init__(self, *, wanted: bool = True) -> None:
        self._first: dict[str, Signatures] = {}  # in the first dump with the tensor
        self._same: dict[str, MarkedSlices] = {}
        self._seen = set[str]()
        self.look = SteadyLook(Known(self._seen, self._same), wanted)

    def take(self, dumps: Sequence[MeasuredDump], seen: Seen) -> None:
        """Take what was seen of a source, whose dumps have the names of the series.

        Where no slice was left before it, nothing counts that was seen because that was not known yet.
        """
        counts = seen if not self.look.is_over else Seen.nothing()
        for dump in dumps:
            self._take(dump, counts)

    def _take(self, dump: MeasuredDump, seen: Seen) -> None:
        now = _whole(dump, seen)
        for name in [name for name in self._same if name in dump.named]:
            before, marked = self._first[name], self._same.pop(name)
            after = now.get(name)
            if after is not None and after.size == before.size and (same := marked.marked & (after == before)).any():
                self._same[name] = marked._replace(marked=same)
            else:
                del self._first[name]
        for name in now.keys() - self._seen:
            self._first[name] = now[name]
            self._same[name] = MarkedSlices(now[name] != 0, len(dump.shape(dump.named[name]) or ()))
        self._seen.update(dump.named)

    @property
    def names(self) -> list[str]:
        """The names of the tensors with slices that may be the same in all dumps."""
        return list(self._same)

    def verified(self, name: str, places: Sequence[tuple[TensorPlaces, int]], run: Run) -> MarkedSlices:
        """Return the slices of a tensor that are the same in all dumps, by its place and number in each.

        Raises InputError if a file has changed.
        """
        slices = self._same[name]
        found = _digests(*places[0], slices.marked, run)
        for where, number in places[1:]:
            marked = _marked(found, slices)
            if marked.any():
                now = _digests(where, number, marked, run)
                found = {k: one for k, one in found.items() if now.get(k) == one}
        return slices._replace(marked=_marked(found, slices))


def _whole(dump: MeasuredDump, seen: Seen) -> dict[str, Signatures]:
    """Return the signatures of the whole tensors of a dump."""
    found = {}
    for file in dump.files:
        for tensor, signatures in seen.found.get(file.path, {}).items():
            name = dump.name_of(file.start + tensor)
            if dump.named.get(name) == [file.start + tensor]:
                found[name] = signatures
    return found


class _Signed(NamedTuple):
    """The signatures of slices of a tensor from `first` on, as far as a piece has their elements; it has `number` slices."""

    tensor: int
    number: int
    first: int
    sums: Signatures


class _PieceSignatures(NamedTuple):
    """Looks at four elements of each slice in pieces of a file, but for tensors that are `settled`."""

    specs: Sequence[TensorSpec]
    settled: Collection[int]

    def see(self, piece: Piece, raw: Raw, stats: PieceStats | StatsArrays) -> list[_Signed] | None:
        """Return the signatures of the slices in a piece."""
        found, at = list[_Signed](), 0
        if piece.count == 1:
            found += self._signed(piece, raw)
        elif len(self.specs) <= _MANY:
            for index in range(piece.index, piece.index + piece.count):
                spec = self.specs[index]
                found += self._signed(Piece(index, 1, 0, spec.size), raw[at : at + spec.nbytes])
                at += spec.nbytes
        return found or None

    def _signed(self, piece: Piece, raw: Raw) -> Iterator[_Signed]:
        spec = self.specs[piece.index]
        if spec.fortran or piece.index in self.settled:
            return
        slices = Slices.of(spec.shape)
        if (
            slices is None
            or slices.number < 3
            or not (slices.width >= _SHORT or (slices.width > 1 and slices.number <= _FEW))
        ):
            return
        first, last = piece.start // slices.width, -(-piece.stop // slices.width)
        sums = np.zeros(last - first, np.uint64)
        for row, part in _samples(raw, spec.dtype, piece.start, slices.width):
            sums[row - first : row - first + part.size] += part
        yield _Signed(piece.index, slices.number, first, sums)


def _marked(found: Mapping[int, str], slices: MarkedSlices) -> NDArray[np.bool_]:
    return np.isin(np.arange(slices.marked.size), list(found))


def _samples(raw: Raw, dtype: DType, start: int, width: int) -> Any:
    """Yield the first slice and numbers made of one element of each slice in a piece, for each of four elements."""
    words, each = words_of(raw, dtype.part), 2 if dtype.is_complex else 1
    start, width = start * each, width * each
    for factor, column in zip(_FACTORS, sorted({0, 1, width // 2, width - 1}), strict=False):
        first = max(0, -(-(start - column) // width))
        yield first, words[first * width + column - start :: width].astype(np.uint64) * factor


def _digests(places: TensorPlaces, tensor: int, wanted: NDArray[np.bool_], run: Run) -> dict[int, str]:
    """Read a tensor again, and return a digest of each wanted slice."""
    (piece,) = places.pieces(tensor)
    about = "slice digests", places.source.files.index(piece.file.path), piece.number, np.packbits(wanted).tobytes()
    return dict(run.read_again([places.source], about, partial(_read_digests, piece, wanted, run), list))


def _read_digests(piece: TensorPiece, wanted: NDArray[np.bool_], run: Run) -> list[tuple[int, str]]:
    with run.reopen(piece.file) as opened:
        spec = opened.reader.tensors[piece.number]
        size, read, found = spec.slice_size, FileRead(opened.portable).read, dict[int, Any]()
        for part in pieces_in_order(Piece(0, 1, 0, spec.size)):
            raw = fetch(read, part, [spec], run.workers.work).reshape(-1, spec.dtype.itemsize)
            for k in np.flatnonzero(wanted[part.start // size : -(-part.stop // size)]).tolist():
                number = part.start // size + k
                own = raw[max(0, number * size - part.start) : (number + 1) * size - part.start]
                found.setdefault(number, hashlib.blake2b(digest_size=16)).update(own.data)
        opened.reader.verify()
    return [(k, one.hexdigest()) for k, one in found.items()]


def on_slices(
    zero: Mapping[str, MarkedSlices], steady: Mapping[str, MarkedSlices], figures: Figures, limits: Limits
) -> Iterator[tuple[str, Problem]]:
    """Say which slices of tensors are zero, or the same, in all dumps that have them, `_DUMPS` at least."""
    column = {name: k for k, name in enumerate(column_of(figures.tensors, "name"))} if zero or steady else {}
    for rule, limit, what, advice, found in (
        ("dead", limits.dead_share, "zero", DEAD_ADVICE, zero),
        ("unchanged", limits.unchanged_dumps, "the same", UNCHANGED_ADVICE, steady),
    ):
        first = _first_layer(figures) if rule == "dead" and found else ""
        for name, slices in found.items():
            of_first = slices.axes == 2 and figures.tensors[column[name]].layer == first
            if rule == "dead" and rows_need_not_occur(name, first_matrix=of_first):
                continue
            rows = np.flatnonzero(figures.elements[:, column[name]] > 0).tolist()
            if len(rows) >= _DUMPS:
                which, start = _named(name, slices)
                message = f"{start} {what} in all {len(rows):,} dumps"
                value = 1.0 if rule == "dead" else len(rows)
                one = Problem(rows, value, limit, message, column[name], slices=which, advice=advice)
                yield rule, one._replace(brief=f"{start} {what}", dated=True)


def _first_layer(figures: Figures) -> str:
    return min(figures.tensors, key=lambda tensor: forward_key(tensor.name)).layer


def _named(name: str, slices: MarkedSlices) -> tuple[str, str]:
    """Return which slices of a tensor are marked, and the beginning of a sentence on them."""
    which, word = np.flatnonzero(slices.marked).tolist(), slice_word(name, slices.axes)
    listed = ranges(which)
    one = len(which) == 1
    return listed, f"{word}{'' if one else 's'} {listed} of {slices.marked.size:,} {'is' if one else 'are'}"
