"""Describe tensors as they lie in a file, and split them into pieces; nothing else splits tensors."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from gradclip_cli.numerics.dtypes import DType
from gradclip_cli.numerics.norms import BLOCK

PIECE_BYTES = 2 << 20
"""The size of a piece in bytes of float32; a piece of any other dtype has the same number of elements."""


_HEAVY = 16
"""An encoded tensor is heavy if it holds more than 1 / `_HEAVY` of all encoded elements."""


@dataclass(slots=True)
class TensorSpec:
    """One named array of a dump, as the header describes it; treat it as immutable (freezing a million takes three seconds).

    `offset` is the position of its first element in the file, in bytes; None means that the elements are encoded, and can
    only be read and written in order. `fortran` means column-major order. `held` is the memory in bytes that reading any part
    of it takes, where it cannot be read piece by piece; otherwise 0. `role` is what it is if the file marks it as no gradient,
    in the plural (`dimension scales`). `grows` says that its first axis is one that the file can extend without limit. `slot`
    is the index in its file of a small encoded tensor that can be read in one go with those that follow it there.
    """

    name: str
    dtype: DType
    shape: tuple[int, ...]
    offset: int | None = None
    fortran: bool = False
    label: str | None = None
    held: int = 0
    role: str | None = None
    grows: bool = False
    slot: int | None = None
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = math.prod(self.shape)

    @property
    def slice_size(self) -> int:
        """The number of elements of each slice along axis 0, which must have a length above 0."""
        return self.size // self.shape[0]

    @property
    def nbytes(self) -> int:
        """The size of the elements in bytes."""
        return self.size // self.dtype.values * self.dtype.itemsize

    def position(self, start: int) -> int:
        """Return the position of element `start` in the file, in bytes; raise TypeError for an encoded tensor."""
        if self.offset is None:
            raise TypeError(f"{self.name} is encoded and has no positions")
        return self.offset + start * self.dtype.itemsize


@dataclass(slots=True)
class Piece:
    """Elements `start` to `stop` of tensor `index`, or all elements of `count` small adjacent tensors from `index` on."""

    index: int
    count: int
    start: int
    stop: int


@runtime_checkable
class HasRuns(Protocol):
    """Tensors as columns, which find the runs among them several times as fast."""

    def runs(self, wanted: Iterable[int], piece_bytes: int) -> Iterator[Piece]:
        """Yield one piece for each run of small adjacent tensors, and one for each other tensor."""


def split(specs: Sequence[TensorSpec], wanted: Iterable[int], piece_bytes: int | None = None) -> Iterator[Piece]:
    """Split the tensors `wanted` (ascending indices) into pieces that can be processed in any order.

    Adjacent tensors of at most a block each share a piece, also encoded ones that have a `slot`. Any other encoded tensor stays
    whole: see `pieces_in_order`.
    """
    piece_bytes = piece_bytes or PIECE_BYTES
    runs = specs.runs(wanted, piece_bytes) if isinstance(specs, HasRuns) else _runs(specs, wanted, piece_bytes)
    for piece in runs:
        first = specs[piece.index]
        if first.offset is None:
            yield piece
        else:
            yield from pieces_in_order(piece, piece_bytes)


def adjoin(before: TensorSpec, after: TensorSpec) -> bool:
    """Return whether two tensors of one dtype and file can be read in one go."""
    if before.offset is None:
        return before.slot is not None and after.slot == before.slot + 1
    return before.offset + before.nbytes == after.offset


def laid_for(spec: TensorSpec, target: TensorSpec) -> TensorSpec:
    """Return the spec to split by where a tensor becomes `target`: in one piece if only that is encoded, or in another order."""
    alike = spec.fortran == target.fortran and (target.offset is not None or spec.offset is None)
    return spec if alike else replace(spec, offset=None, slot=None)


def split_slices(specs: Sequence[TensorSpec], wanted: Iterable[int], piece_bytes: int | None = None) -> Iterator[Piece]:
    """Split the tensors `wanted` at the bounds of their slices along axis 0 into pieces that can be processed in any order.

    An encoded tensor stays whole: see `slices_in_order`.
    """
    for index in _heavy_first(specs, wanted):
        whole = Piece(index, 1, 0, specs[index].size)
        if specs[index].offset is None:
            yield whole
        else:
            yield from slices_in_order(whole, specs[index], piece_bytes)


def slices_in_order(piece: Piece, spec: TensorSpec, piece_bytes: int | None = None) -> Iterator[Piece]:
    """Split a piece of whole slices into smaller ones, from first to last: several whole slices, or whole blocks of one.

    Blocks begin anew with each slice, so that a slice is summed as if it lay in a file of its own.
    """
    size, step = spec.slice_size, _piece_size(piece_bytes)
    if size > BLOCK:
        for first in range(piece.start, piece.stop, size):
            yield from pieces_in_order(Piece(piece.index, 1, first, first + size), piece_bytes)
        return
    most = step // size * size if size else 1
    for start in range(piece.start, piece.stop, most):
        yield Piece(piece.index, 1, start, min(start + most, piece.stop))


def _runs(specs: Sequence[TensorSpec], wanted: Iterable[int], piece_bytes: int) -> Iterator[Piece]:
    """Yield one piece for each run of small adjacent tensors, and one for each other tensor."""
    run: Piece | None = None
    end, slot = -1, -1  # where the next small tensor must begin to join the run, or its slot if it is encoded
    for index in _heavy_first(specs, wanted):
        spec = specs[index]
        if (
            run is not None
            and (spec.offset == end if spec.offset is not None else spec.slot == slot)
            and spec.size <= BLOCK
            and index == run.index + run.count
            and spec.dtype is specs[run.index].dtype
            and (run.stop + spec.size) * spec.dtype.itemsize <= piece_bytes
        ):
            run.count += 1
            run.stop += spec.size
            end, slot = end + spec.nbytes, slot + 1
            continue
        if run is not None:
            yield run
        run = Piece(index, 1, 0, spec.size)
        end = spec.offset + spec.nbytes if spec.offset is not None and spec.size <= BLOCK else -1
        slot = spec.slot + 1 if spec.offset is None and spec.slot is not None else -1
    if run is not None:
        yield run


def _heavy_first(specs: Sequence[TensorSpec], wanted: Iterable[int]) -> Sequence[int]:
    """Put the largest encoded tensors first: each takes one thread, and all others would wait for one that began last."""
    wanted = list(wanted)
    encoded = [index for index in wanted if specs[index].offset is None]
    least = sum(specs[index].size for index in encoded) / _HEAVY
    heavy = {index for index in encoded if specs[index].size > least}
    first = sorted(heavy, key=lambda index: -specs[index].size)
    return [*first, *(index for index in wanted if index not in heavy)] if heavy else wanted


def pieces_in_order(piece: Piece, piece_bytes: int | None = None) -> Iterator[Piece]:
    """Split one piece into smaller ones of whole blocks, to be processed from first to last."""
    step = _piece_size(piece_bytes)
    if piece.count > 1 or piece.stop - piece.start <= step:
        yield piece
        return
    for start in range(piece.start, piece.stop, step):
        yield Piece(piece.index, 1, start, min(start + step, piece.stop))


def _piece_size(piece_bytes: int | None) -> int:
    """Return the most elements of a piece, whole blocks."""
    return max(1, (piece_bytes or PIECE_BYTES) // (4 * BLOCK)) * BLOCK
