"""Count the elements of single tensors by magnitude and sign while a dump is measured, and note where their extremes are."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.engine.measure import PieceObserver
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.formats.base import Format, Reader
from gradclip_cli.numerics.bands import Band
from gradclip_cli.numerics.dtypes import DType, Raw
from gradclip_cli.numerics.exponents import Counts
from gradclip_cli.numerics.narrow_counts import NarrowCounter
from gradclip_cli.numerics.statistics import PieceStats
from gradclip_cli.numerics.statistics_arrays import StatsArrays
from gradclip_cli.numerics.value_counts import Counter, Levels, Located, Place, ValueCounts
from gradclip_cli.numerics.wide_counts import WideCounter
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.tensors import Piece, TensorSpec


class Where(NamedTuple):
    """The index of an element in the whole tensor, or in the piece of it in `file` where nothing says where that belongs."""

    place: Place
    file: str | None = None


class Extreme(NamedTuple):
    """A magnitude as stored, and where the first element that has it is."""

    value: float
    where: Where


class TensorValues(NamedTuple):
    """The elements of a whole tensor as `counts` has them, with the places of the extremes in the whole."""

    counts: ValueCounts
    largest: Extreme | None
    smallest: Extreme | None
    nan_at: Where | None
    inf_at: Where | None


class TensorCounts:
    """Counts the elements of the tensors of one dump by their indices.

    Files must be observed in the order of the dump; their pieces may come in any order, from several threads.
    """

    def __init__(self, bands: Sequence[Band], work: Workspace) -> None:
        self._bands, self._work = bands, work
        self._tensors = 0
        self._counters: dict[int, Counter] = {}
        self._lock = threading.Lock()

    def observer_for(self, format: Format, reader: Reader) -> PieceObserver:
        """Return the observer that counts in the pieces of a file."""
        start = self._tensors
        self._tensors += len(reader.tensors)
        return PieceObserver(_PieceCounts(reader.tensors, start, self._counter).see, _nothing)

    def of(self, dump: MeasuredDump, indices: Sequence[int]) -> TensorValues:
        """Return the counts of a tensor, given by its pieces."""
        whole = dump.wholes.get(dump.tensors[indices[0]].name)
        offsets = {piece.place: piece.offsets for piece in whole.pieces} if whole is not None else {}
        counts = [self._counter(index, dump.tensors[index].dtype).counts() for index in indices]

        def where(index: int, place: Place) -> Where:
            if index in offsets:
                return Where(tuple(map(sum, zip(place, offsets[index], strict=True))))
            return Where(place, dump.file_of(index).path if len(indices) > 1 else None)

        pairs = list(zip(indices, counts, strict=True))
        return TensorValues(
            _together(counts),
            _extreme([(index, one.largest) for index, one in pairs], where, -1),
            _extreme([(index, one.smallest) for index, one in pairs], where, 1),
            _first([(index, one.nan_at) for index, one in pairs], where),
            _first([(index, one.inf_at) for index, one in pairs], where),
        )

    def _counter(self, index: int, dtype: DType) -> Counter:
        with self._lock:
            if index not in self._counters:
                kind = NarrowCounter if dtype.narrow else WideCounter
                self._counters[index] = kind(dtype, self._bands, self._work)
            return self._counters[index]


class _PieceCounts(NamedTuple):
    """Counts in pieces of a file whose tensors are those of the dump from `start` on.

    It stays in this process: what it would send of each piece, a table of 65,536 counts, is half as large as the piece.
    """

    specs: Sequence[TensorSpec]
    start: int
    counter: Callable[[int, DType], Counter]

    def see(self, piece: Piece, raw: Raw, stats: PieceStats | StatsArrays) -> None:
        """Count in a piece."""
        at = 0
        for index in range(piece.index, piece.index + piece.count):
            spec = self.specs[index]
            size = (piece.stop - piece.start if piece.count == 1 else spec.size) * spec.dtype.itemsize
            place = partial(_place, spec, piece.start if piece.count == 1 else 0)
            self.counter(self.start + index, spec.dtype).add(raw[at : at + size], place)
            at += size

    def __reduce__(self) -> NoReturn:
        raise TypeError("counts by magnitude stay in the process that began them")


def _nothing(piece: Piece, found: Any) -> None:
    """Take nothing: it is counted where the piece is seen."""


def _place(spec: TensorSpec, start: int, at: int, marks: NDArray[np.bool_]) -> Place:
    """Return the index of the first marked element in row-major order; marks begin at element `start` + `at` as stored."""
    if not spec.fortran:
        found = np.unravel_index(start + at + int(marks.argmax()), spec.shape)
        return tuple(map(int, found))
    index = np.unravel_index(np.flatnonzero(marks) + (start + at), spec.shape, "F")
    first = int(np.ravel_multi_index(index, spec.shape).min())
    return tuple(map(int, np.unravel_index(first, spec.shape)))


def _together(parts: Sequence[ValueCounts]) -> ValueCounts:
    """Add the counts of pieces; the places of their extremes are left to those who know where pieces belong."""
    if len(parts) == 1:
        return parts[0]
    levels = [one.levels for one in parts if one.levels is not None]
    alike = len(levels) == len(parts) and len({one.values.size for one in levels}) == 1
    return parts[0]._replace(
        bins=_added([one.bins for one in parts]),
        bands=_added([one.bands for one in parts]),
        subnormal=sum(one.subnormal for one in parts),
        levels=Levels(levels[0].values, _added([one.counts for one in levels])) if alike else None,
    )


def _added(parts: Sequence[Counts]) -> Counts:
    found: Counts = np.sum(parts, axis=0)
    return found


def _extreme(
    found: Sequence[tuple[int, Located | None]], where: Callable[[int, Place], Where], sign: int
) -> Extreme | None:
    """Return the extreme of all pieces; among equals the first, in the order of pieces that do not say where they belong."""
    known = [(sign * one.value, k, where(index, one.place)) for k, (index, one) in enumerate(found) if one is not None]
    if not known:
        return None
    value = min(known)[0]
    return Extreme(abs(value), _earliest([(k, place) for one, k, place in known if one == value]))


def _first(found: Sequence[tuple[int, Place | None]], where: Callable[[int, Place], Where]) -> Where | None:
    """Return the first place of all pieces."""
    known = [(k, where(index, place)) for k, (index, place) in enumerate(found) if place is not None]
    return _earliest(known) if known else None


def _earliest(places: Sequence[tuple[int, Where]]) -> Where:
    if any(place.file is not None for _, place in places):
        return places[0][1]
    return min(place for _, place in places)
