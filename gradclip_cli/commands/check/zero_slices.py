"""Find slices along axis 0 that are zero in every dump of a series: an expert without tokens, a unit that is never active.

Rows of an embedding are zero where tokens did not occur: tensors whose names say that they are embeddings are left out, and
those of which half the slices or more are zero in any dump.
"""

from collections.abc import Collection, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.checks.forward_order import rows_need_not_occur
from gradclip_cli.engine.measure import PieceObserver
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.formats.base import Reader
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.numerics.statistics import PieceStats
from gradclip_cli.numerics.statistics_arrays import StatsArrays
from gradclip_cli.numerics.zero_slices import ZeroParts, zero_columns, zero_rows
from gradclip_cli.spec_table import nbytes_of
from gradclip_cli.tensors import Piece, TensorSpec

MOST_SLICES = 65_536
"""The most slices of a tensor that are told apart."""


class Known(NamedTuple):
    """What decides which tensors are looked at: the names of those of the dumps so far, and of those with slices that are left."""

    seen: Collection[str]
    left: Collection[str]

    def settled(self, specs: Sequence[TensorSpec]) -> Collection[int]:
        """Return the tensors known to have no slice left; names in files may differ from those here."""
        return frozenset(k for k, spec in enumerate(specs) if self.is_settled(spec.name)) if self.seen else ()

    def is_settled(self, name: str) -> bool:
        """Return whether a tensor is known to have no slice left."""
        return name in self.seen and name not in self.left

    def now(self) -> "Known":
        """Return what is known now, which later dumps do not change."""
        return Known(frozenset(self.seen), frozenset(self.left))


class Seen(NamedTuple):
    """What was seen of a source: numbers for the slices of tensors, by file and tensor, and the names of these in the file."""

    found: dict[str, dict[int, NDArray[Any]]]
    names: dict[str, dict[int, str]]

    @classmethod
    def nothing(cls) -> "Seen":
        """Return what is seen of a source before it is measured."""
        return cls({}, {})

    def of(self, path: str, tensor: int, spec: TensorSpec, slices: int, dtype: type[np.generic]) -> NDArray[Any]:
        """Return the numbers of a tensor, zeros at first."""
        found = self.found.setdefault(path, {})
        if tensor not in found:
            found[tensor] = np.zeros(slices, dtype)
            self.names.setdefault(path, {})[tensor] = spec.name
        return found[tensor]


class Slices(NamedTuple):
    """How a tensor is cut along axis 0: `number` slices of `width` elements."""

    number: int
    width: int

    @classmethod
    def of(cls, shape: Sequence[int]) -> "Slices | None":
        """Cut a tensor of this shape; None if it has fewer than two axes, or too many slices."""
        return cls(shape[0], prod(shape[1:])) if len(shape) > 1 and shape[0] <= MOST_SLICES else None


class MarkedSlices(NamedTuple):
    """Some of the slices of a tensor along axis 0, which has so many axes."""

    marked: NDArray[np.bool_]
    axes: int


class ZeroLook(NamedTuple):
    """Looks for slices that are zero in the files of sources, if any are wanted; it can be pickled."""

    known: Known
    sliced: bool
    wanted: bool

    @property
    def names(self) -> tuple[Collection[str], Collection[str] | None]:
        """The names that decide what is looked at: those of the dumps so far, and those that are left, if any are wanted."""
        return self.known.seen, self.known.left if self.wanted else None

    def is_settled(self, name: str) -> bool:
        """Return whether a tensor is not looked at, by its name in the file."""
        return self.known.is_settled(name)

    def observer_for(self, reader: Reader, seen: Seen, skipped: int = 0) -> PieceObserver | None:
        """Return the observer of the pieces of a file, of which the first dumps may be skipped; None where no slices are wanted."""
        if not self.wanted:
            return None
        specs, path = reader.tensors, reader.file.path

        def take(_: Piece, parts: list[tuple[int, int, ZeroParts]]) -> None:
            for tensor, count, part in parts:
                elements = seen.of(path, tensor, specs[tensor], count, np.int64)
                kept = part.slices >= (skipped * count if self.sliced else 0)
                np.add.at(elements, part.slices[kept] % count, part.elements[kept])

        return PieceObserver(_PieceZeros(specs, self.sliced, self.known.settled(specs)).see, take)


class ZeroSlices:
    """The slices that are zero in all dumps so far; what was seen of each source is taken in the order of the steps."""

    def __init__(self, *, sliced: bool = False, wanted: bool = True) -> None:
        self._zero: dict[str, NDArray[np.bool_]] = {}
        self._axes: dict[str, int] = {}
        self._seen = set[str]()
        self.look = ZeroLook(Known(self._seen, self._zero), sliced, wanted)

    def take(self, dumps: Sequence[MeasuredDump], seen: Seen) -> None:
        """Take what was seen of a source, whose dumps have the names of the series."""
        sliced = self.look.sliced
        for dump in dumps[:1] if sliced else dumps:
            now = self._of(dump, seen, len(dumps) if sliced else 1)
            for name in [name for name in self._zero if name in dump.named]:
                before, after = self._zero.pop(name), now.get(name)
                if after is not None and after.size == before.size and (before & after).any():
                    self._zero[name] = before & after
            self._zero |= {name: zero for name, zero in now.items() if name not in self._seen}
            self._seen.update(dump.named)

    @property
    def zero(self) -> Mapping[str, MarkedSlices]:
        """The slices of tensors that are zero in all dumps that have them, by name; without tensors that have none."""
        return {name: MarkedSlices(zero, self._axes[name]) for name, zero in self._zero.items()}

    def _of(self, dump: MeasuredDump, seen: Seen, times: int) -> dict[str, NDArray[np.bool_]]:
        """Return the slices that are zero in a dump, or in so many, of tensors that are no embeddings."""
        found = {}
        for file in dump.files:
            for tensor in seen.found.get(file.path, {}):
                name = dump.name_of(file.start + tensor)
                if name not in found and name in dump.named and not rows_need_not_occur(name):
                    found[name] = self._zero_in(dump, seen, name, times)
        return {name: zero for name, zero in found.items() if zero.any() and 2 * np.count_nonzero(zero) < zero.size}

    def _zero_in(self, dump: MeasuredDump, seen: Seen, name: str, times: int) -> NDArray[np.bool_]:
        """Add up the pieces of a tensor; nothing is known of pieces that do not say where they belong."""
        indices, shape = dump.named[name], dump.shape(dump.named[name])
        whole = dump.wholes.get(dump.tensors[indices[0]].name)
        if shape is None or min(len(shape) - 1, prod(shape[1:]) - 1) < 1 or (len(indices) > 1 and whole is None):
            return np.zeros(0, np.bool_)
        self._axes[name] = len(shape)
        offsets = {one.place: one.offsets[0] for one in whole.pieces} if whole is not None else {}
        elements = np.zeros(shape[0], np.int64)
        for index in indices:
            own = seen.found.get(dump.file_of(index).path, {}).get(index - dump.file_of(index).start)
            if own is not None:
                elements[offsets.get(index, 0) : offsets.get(index, 0) + own.size] += own
        return np.asarray(elements == prod(shape[1:]) * times)


class _PieceZeros(NamedTuple):
    """Finds the slices that are zero in pieces of a file, but for tensors that are `settled`."""

    specs: Sequence[TensorSpec]
    sliced: bool
    settled: Collection[int]

    def see(self, piece: Piece, raw: Raw, stats: PieceStats | StatsArrays) -> list[tuple[int, int, ZeroParts]] | None:
        """Return parts of slices that are zero in a piece, each with its tensor and the number of its slices."""
        if piece.count > 1 and isinstance(stats, StatsArrays):
            return self._small(piece, raw, stats) or None
        return self._parts(piece, raw, stats.zeros) or None

    def _parts(self, piece: Piece, raw: Raw, zeros: int) -> list[tuple[int, int, ZeroParts]]:
        spec = self.specs[piece.index]
        if not zeros or piece.index in self.settled:
            return []
        slices = Slices.of(spec.shape[1:] if self.sliced else spec.shape)
        if slices is None or (piece.stop - piece.start == spec.size and zeros < slices.width):
            return []
        if spec.fortran:
            parts = zero_columns(raw, spec.dtype, piece.start, slices.number, zeros)
        else:
            parts = zero_rows(raw, spec.dtype, piece.start, slices.width, zeros)
        return [(piece.index, slices.number, part) for part in parts]

    def _small(self, piece: Piece, raw: Raw, stats: StatsArrays) -> list[tuple[int, int, ZeroParts]]:
        """Look at the tensors of a piece that have zeros."""
        rows = np.flatnonzero(stats.ints[:, 1]).tolist()
        if not rows:
            return []
        several, found = self.specs[piece.index : piece.index + piece.count], list[tuple[int, int, ZeroParts]]()
        starts = np.cumsum([0, *nbytes_of(several).tolist()])
        for k in rows:
            one = Piece(piece.index + k, 1, 0, several[k].size)
            found += self._parts(one, raw[starts[k] : starts[k + 1]], int(stats.ints[k, 1]))
        return found
