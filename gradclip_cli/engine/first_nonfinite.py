"""Note while a dump is measured where the first NaN or infinity of each tensor is; it costs nothing where all is finite."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.engine.measure import PieceObserver
from gradclip_cli.formats.base import Format, Reader
from gradclip_cli.inputs.opened import DumpFile
from gradclip_cli.inputs.pieces import Whole
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.numerics.first_nonfinite import KINDS, FirstElements, Nonfinite, firsts, nonfinite_at, row_major
from gradclip_cli.numerics.statistics import PieceStats
from gradclip_cli.numerics.statistics_arrays import StatsArrays
from gradclip_cli.numerics.statistics_table import StatsTable
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.spec_table import sizes_of
from gradclip_cli.tensors import Piece, TensorSpec

_NOWHERE = np.iinfo(np.int64).max


class _PieceFirsts(NamedTuple):
    """Finds the first elements in pieces of a file; with `slices`, in each slice along axis 0."""

    specs: Sequence[TensorSpec]
    slices: bool
    work: Workspace

    def see(self, piece: Piece, raw: Raw, stats: PieceStats | StatsArrays) -> FirstElements | None:
        """Return the first element of each tensor in a piece, if it has any; tensors are numbered slice by slice."""
        if stats.all_finite:
            return None
        at, kinds = nonfinite_at(raw, self.specs[piece.index].dtype, self.work)
        rows, tensors, positions = self._placed(piece, at)
        return firsts(rows * len(self.specs) + tensors, positions, kinds)

    def _placed(self, piece: Piece, at: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        """Return the slices, the tensors and the positions in row-major order of the elements `at` of a piece."""
        spec = self.specs[piece.index]
        if self.slices:
            rows, positions = np.divmod(piece.start + at, spec.slice_size)
            return rows, np.full_like(at, piece.index), positions
        if piece.count == 1:
            positions = piece.start + at
            if not spec.fortran:
                at, positions = at[:1], positions[:1]  # the others come after it
            return np.zeros_like(at), np.full_like(at, piece.index), self._row_major(piece.index, positions)
        several = self.specs[piece.index : piece.index + piece.count]
        bounds = np.cumsum([0, *sizes_of(several)])
        which = np.searchsorted(bounds, at, "right") - 1
        positions = at - bounds[which]
        for k in np.flatnonzero(np.bincount(which)).tolist():
            if several[k].fortran:
                own = which == k
                positions[own] = self._row_major(piece.index + k, positions[own])
        return np.zeros_like(at), piece.index + which, positions

    def _row_major(self, tensor: int, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        spec = self.specs[tensor]
        return row_major(positions, spec.shape) if spec.fortran else positions


class _FileFirsts:
    """The first elements in each tensor of a file; with `slices`, in each slice along axis 0 of each."""

    def __init__(self, specs: Sequence[TensorSpec], slices: bool) -> None:
        self._specs, self._slices = specs, slices
        self._positions: NDArray[np.int64] | None = None  # (slices, tensors), made for the first such element
        self._kinds = np.empty((0, 0), np.int8)

    def first(self, tensor: int, row: int | None) -> tuple[int, str] | None:
        """Return the position of the first element in a tensor, or in a slice of it, and its kind."""
        if self._positions is None or (position := int(self._positions[row or 0, tensor])) == _NOWHERE:
            return None
        return position, KINDS[self._kinds[row or 0, tensor]]

    @property
    def found(self) -> FirstElements:
        """What is known; tensors are numbered slice by slice."""
        known = np.empty(0, np.int64) if self._positions is None else self._positions.reshape(-1)
        at = np.flatnonzero(known != _NOWHERE)
        return FirstElements(at, known[at], self._kinds.reshape(-1)[at].astype(np.int64))

    def take(self, piece: Piece, found: FirstElements) -> None:
        """Keep elements of a piece that come before those known so far; their tensors are numbered slice by slice."""
        self.add(found, self._specs[piece.index].shape[0] if self._slices else 1)

    def add(self, found: FirstElements, rows: int) -> None:
        """Keep elements that come before those known so far, in a file of so many slices."""
        if self._positions is None:
            self._positions = np.full((rows, len(self._specs)), _NOWHERE)
            self._kinds = np.zeros(self._positions.shape, np.int8)
        known, kinds = self._positions.reshape(-1), self._kinds.reshape(-1)
        before = found.positions < known[found.tensors]
        known[found.tensors[before]] = found.positions[before]
        kinds[found.tensors[before]] = found.kinds[before]


class Measured(Protocol):
    """A measured dump: tensors by index, pieces of one tensor under one name."""

    @property
    def stats(self) -> StatsTable:
        """The statistics of the tensors that count."""

    @property
    def tensors(self) -> Sequence[TensorSpec]:
        """The tensors of all files."""

    @property
    def named(self) -> Mapping[str, Sequence[int]]:
        """The indices of measured tensors by their names in the series."""

    @property
    def wholes(self) -> Mapping[str, Whole]:
        """The tensors whose pieces say where they belong."""

    @property
    def row(self) -> int | None:
        """Its index along axis 0 of the file, if each slice there is a dump."""

    def name_of(self, index: int) -> str:
        """Return the name of a tensor in the series."""

    def file_of(self, index: int) -> DumpFile:
        """Return the file that holds a tensor."""


class _Placed(NamedTuple):
    """The first element that is not finite in a piece of a tensor, or in all of it."""

    place: tuple[int, ...]
    kind: str
    tensor: int


_MOST = 50_000
"""The most tensors that are kept of all dumps together; beyond them only those that no dump before had."""


class KeptNonfinite:
    """Choose what to keep of a series: in a long run that has gone bad, the first dumps of each tensor are enough."""

    def __init__(self) -> None:
        self._room, self._names = _MOST, set[str]()

    def of(self, found: Sequence[Nonfinite]) -> list[Nonfinite]:
        """Return what to keep of the next dump."""
        kept = [one for k, one in enumerate(found) if k < self._room or one.name not in self._names]
        self._room = max(0, self._room - len(kept))
        self._names.update(one.name for one in kept)
        return kept


class FirstNonfinite:
    """Where the first NaN or infinity is in each tensor of one source; with `slices`, in each slice along axis 0."""

    def __init__(self, work: Workspace, *, slices: bool = False) -> None:
        self._work, self._slices = work, slices
        self._files: dict[str, _FileFirsts] = {}

    def observer_for(self, format: Format, reader: Reader) -> PieceObserver | None:
        """Return the observer of the pieces of a file; they may come in any order."""
        found = self._files[reader.file.path] = _FileFirsts(reader.tensors, self._slices)
        return PieceObserver(_PieceFirsts(reader.tensors, self._slices, self._work).see, found.take)

    def in_file(self, path: str) -> FirstElements:
        """Return what is known of a file; its tensors are numbered slice by slice."""
        return self._files[path].found if path in self._files else FirstElements(*np.empty((3, 0), np.int64))

    def recall(self, path: str, tensors: Sequence[TensorSpec], found: FirstElements, rows: int) -> None:
        """Take what was known of a file of so many slices when it was measured before."""
        self._files[path] = _FileFirsts(tensors, self._slices)
        self._files[path].add(found, rows)

    def of(self, dump: Measured) -> list[Nonfinite]:
        """Return the tensors of a measured dump that have elements that are not finite, by their names in the series."""
        bad: dict[str, list[int]] = {}
        for index in dump.stats.with_nonfinite():
            bad.setdefault(dump.name_of(index), []).append(index)
        found = [self._tensor(dump, name, indices) for name, indices in bad.items()]
        return [one for one in found if one is not None]

    def _tensor(self, dump: Measured, name: str, bad: Sequence[int]) -> Nonfinite | None:
        """Describe a tensor by its pieces that have such elements."""
        pieces, whole = dump.named[name], dump.wholes.get(dump.tensors[bad[0]].name)
        offsets = {one.place: one.offsets for one in whole.pieces} if whole is not None else {}
        places = [one for index in bad if (one := self._first(dump, index, offsets.get(index))) is not None]
        if not places:
            return None
        first = min(places) if whole is not None else places[0]
        nan, posinf, neginf = dump.stats.only(bad).counts[:, 2:].sum(axis=0).tolist()
        elements = sum(dump.tensors[index].size for index in pieces)
        file = dump.file_of(first.tensor).path if whole is None and len(pieces) > 1 else None
        return Nonfinite(name, nan, posinf, neginf, elements, first.kind, first.place, file)

    def _first(self, dump: Measured, index: int, offsets: tuple[int, ...] | None) -> _Placed | None:
        file = dump.file_of(index)
        found = self._files[file.path].first(index - file.start, dump.row)
        if found is None:
            return None
        inside = map(int, np.unravel_index(found[0], dump.tensors[index].shape))
        place = tuple(map(sum, zip(inside, offsets, strict=True))) if offsets is not None else tuple(inside)
        return _Placed(place, found[1], index)
