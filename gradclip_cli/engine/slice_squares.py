"""Read one tensor again, and find the slice along axis 0 that holds most of its square, and its largest element.

Memory stays flat: a number for each slice is kept, and no element.
"""

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.engine.executors.base import room
from gradclip_cli.engine.reading import FileRead, Read, fetch
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.tensor_places import TensorPiece, TensorPlaces
from gradclip_cli.inputs.opened import OpenFile
from gradclip_cli.numerics.dtypes import DType, Raw, decode
from gradclip_cli.numerics.first_nonfinite import row_major
from gradclip_cli.numerics.moduli import moduli, parts_of
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.tensors import Piece, TensorSpec, pieces_in_order

Squares = NDArray[np.float64]

MOST_SLICES = 1 << 22
"""The most slices of a tensor that are told apart; a number for each of so many takes 32 MiB."""

_SHARE, _TIMES = 0.5, 3
"""A slice is named that holds more than this share of the square, and so many times what an equal one would hold."""

_READ, _LEAST = 0.1, 1 << 24


class Peak(NamedTuple):
    """The largest |x| of some elements, and its index; `file` is named where nothing says where its piece belongs."""

    size: float
    place: tuple[int, ...]
    file: str | None = None


def most_read_again(elements: float) -> float:
    """Return how many of all elements may be read again: a tenth, or 2^24 if that is more."""
    return max(_LEAST, _READ * elements)


class SliceSquares(NamedTuple):
    """The slice along axis 0 with the largest share of the square of a tensor, among `slices`, and the largest element.

    The slice is None for a tensor of fewer than two axes; `file` is that of the piece that the slice is in, where nothing
    says where the piece belongs.
    """

    axes: int
    peak: Peak
    slice: int | None = None
    share: float = 0.0
    slices: int = 0
    file: str | None = None


class _Part(NamedTuple):
    """What was found in a piece of a tensor: Σ (|x| / largest)² of each slice in the whole tensor from `first` on."""

    first: int
    squares: Squares
    peak: Peak
    axes: int
    file: str | None


class _Task(NamedTuple):
    """Takes squares of elements of one tensor in a file; `skip` elements lie before it, as it is a slice of a larger one."""

    spec: TensorSpec
    shape: tuple[int, ...]
    skip: int
    largest: float
    read: Read
    work: Workspace

    def squares(self, piece: Piece) -> tuple[int, Squares, float, int]:
        """Return the first slice of a piece, the squares of its slices, its largest |x|, and the position of that."""
        raw = fetch(self.read, piece, [self.spec], self.work)
        sizes, start = sizes_of(raw, self.spec.dtype, self.work), piece.start - self.skip
        at = np.flatnonzero(sizes == sizes.max()) + start
        place = int(row_major(at, self.shape).min()) if self.spec.fortran else int(at[0])
        scaled = sizes / self.largest
        first, found = self._by_slice(scaled * scaled, start)
        return first, found, float(sizes.max()), place

    def _by_slice(self, squares: Squares, start: int) -> tuple[int, Squares]:
        if _axes(self.shape) < 2:
            return 0, np.array([squares.sum()])
        if self.spec.fortran:
            rows = np.arange(start, start + squares.size) % self.shape[0]
            return 0, np.asarray(np.bincount(rows, squares, self.shape[0]), np.float64)
        size = prod(self.shape[1:])
        starts = np.arange(-(start % size), squares.size, size)
        starts[0] = 0
        return start // size, np.add.reduceat(squares, starts)


def largest_slice(places: TensorPlaces, tensor: int, largest: float, run: Run) -> SliceSquares:
    """Find the slice and the element; `largest` is the largest |x| of the tensor, above 0: with it, no square overflows.

    Raises InputError if a file has changed. All elements must be finite.
    """
    pieces = places.pieces(tensor)
    numbers, files = [piece.number for piece in pieces], [piece.file.path for piece in pieces]  # which a peak may name
    about = "largest slice", numbers, files, places.row
    return run.read_again([places.source], about, partial(_largest_slice, places, pieces, largest, run), _made)


def _made(value: Sequence[Any]) -> SliceSquares:
    """Make what is known of a tensor of plain values."""
    axes, (size, place, file), *rest = value
    return SliceSquares(axes, Peak(size, tuple(place), file), *rest)


def _largest_slice(places: TensorPlaces, pieces: Sequence[TensorPiece], largest: float, run: Run) -> SliceSquares:
    stored = min(largest * places.scale, sys.float_info.max)
    parts = [_part(places, piece, len(pieces) > 1, stored, run) for piece in pieces]
    peak = min((part.peak for part in parts), key=lambda one: (-one.size, one.file or "", one.place))
    apart = any(part.file is not None for part in parts)
    if parts[0].axes < 2:
        return SliceSquares(parts[0].axes, peak)
    groups = parts if apart else [_joined(parts)]
    best = max(groups, key=lambda part: part.squares.max(initial=0))
    which = int(best.squares.argmax())
    share = float(best.squares[which] / sum(part.squares.sum() for part in parts))
    return SliceSquares(best.axes, peak, which, share, best.squares.size, best.file)


def stands_out(found: SliceSquares) -> bool:
    """Whether a slice holds so much of the square that it is worth a name."""
    return found.share > _SHARE and found.share * found.slices > _TIMES


def _joined(parts: list[_Part]) -> _Part:
    """Add the squares of pieces whose places in the whole tensor are known."""
    found = np.zeros(max(part.first + part.squares.size for part in parts))
    for part in parts:
        found[part.first : part.first + part.squares.size] += part.squares
    return parts[0]._replace(first=0, squares=found)


def _part(places: TensorPlaces, piece: TensorPiece, several: bool, largest: float, run: Run) -> _Part:
    """Read a tensor of a file, or the slice of it that the dump is."""
    with run.reopen(piece.file) as opened:
        spec, row = opened.reader.tensors[piece.number], places.row
        shape = spec.shape if row is None else spec.shape[1:]
        skip = 0 if row is None else row * spec.slice_size
        task = _Task(spec, shape, skip, largest, FileRead(opened.portable).read, run.workers.work)
        squares, peak, place = np.zeros(shape[0] if _axes(shape) > 1 else 1), 0.0, 0
        for first, found, size, at in _read(task, prod(shape), run):
            squares[first : first + found.size] += found
            if (size, -at) > (peak, -place):
                peak, place = size, at
        opened.reader.verify()
        offsets = _offsets(places, opened, piece) if several else None
    file = piece.file.path if several and offsets is None else None
    inside = tuple(map(int, np.unravel_index(place, shape)))
    if offsets is not None:
        inside = tuple(map(sum, zip(inside, offsets, strict=True)))
    return _Part(offsets[0] if offsets else 0, squares, Peak(peak, inside, file), _axes(shape), file)


def _axes(shape: tuple[int, ...]) -> int:
    """Return the number of axes; 1 where slices along the first are too many to be told apart."""
    return min(1, len(shape)) if not shape or shape[0] > MOST_SLICES else len(shape)


def _read(task: _Task, size: int, run: Run) -> Iterator[tuple[int, Squares, float, int]]:
    """Read the elements of a tensor; an encoded one from its start, in order."""
    whole = Piece(0, 1, task.skip, task.skip + size)
    if not size:
        return
    if task.spec.offset is not None:
        yield from run.workers.map(task.squares, pieces_in_order(whole), size * task.spec.dtype.itemsize)
        return
    with room(task.spec.held):
        for before in pieces_in_order(Piece(0, 1, 0, task.skip)):
            fetch(task.read, before, [task.spec], task.work)
        yield from map(task.squares, pieces_in_order(whole))


def _offsets(places: TensorPlaces, opened: OpenFile, piece: TensorPiece) -> tuple[int, ...] | None:
    found = places.source.layout.offsets(piece.file.path, opened.tensors, opened.reader.metadata)
    return None if found is None else found[piece.number]


def sizes_of(raw: Raw, dtype: DType, work: Workspace) -> Squares:
    """Return |x| of stored elements as float64; of complex ones without overflow inside."""
    if dtype.is_complex:
        return moduli(parts_of(raw, dtype, work.real, work.imaginary, work), work)
    found: Squares = np.abs(decode(raw, dtype, work).astype(np.float64))
    return found
