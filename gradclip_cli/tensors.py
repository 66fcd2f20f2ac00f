"""Tensors as they lie in a file, and the only place where they are cut into pieces."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from gradclip_cli.numerics.dtypes import DType
from gradclip_cli.numerics.norms import BLOCK

PIECE_BYTES = 2 << 20
"""What is read, computed with and written at once, in float32; as many elements of any other dtype."""


_HEAVY = 16
"""A tensor with more than this part of all elements that are encoded is a large one."""


@dataclass(slots=True)
class TensorSpec:
    """One named array of a dump: what a header says of it; nobody changes it (freezing a million takes three seconds).

    `offset` is where its elements lie in the file, one after the other; None means that they are encoded, and can only be
    read and written in order. `fortran` says that they lie in column-major order. `held` is how many bytes have to be held
    at once to read any of it, where it is not read piece by piece.
    """

    name: str
    dtype: DType
    shape: tuple[int, ...]
    offset: int | None = None
    fortran: bool = False
    label: str | None = None
    held: int = 0
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The size of the elements in bytes."""
        return self.size * self.dtype.itemsize

    def position(self, start: int) -> int:
        """Where element `start` lies in the file, for a tensor that is not encoded."""
        if self.offset is None:
            raise TypeError(f"{self.name} is encoded and has no positions")
        return self.offset + start * self.dtype.itemsize


@dataclass(slots=True)
class Slab:
    """Elements `start` to `stop` of tensor `index`, or the whole of `count` small tensors that lie side by side."""

    index: int
    count: int
    start: int
    stop: int


def cut(specs: Sequence[TensorSpec], wanted: Iterable[int], piece_bytes: int | None = None) -> Iterator[Slab]:
    """Cut the tensors `wanted` (ascending indices) into slabs that can be worked on in any order.

    Neighbours of at most a block each are taken together. A tensor without an offset stays whole: see `in_order`.
    """
    piece_bytes = piece_bytes or PIECE_BYTES
    for slab in _runs(specs, wanted, piece_bytes):
        first = specs[slab.index]
        if first.offset is None:
            yield slab
        else:
            yield from in_order(slab, first, piece_bytes)


def _runs(specs: Sequence[TensorSpec], wanted: Iterable[int], piece_bytes: int) -> Iterator[Slab]:
    """Take small tensors that lie side by side together, and every other one whole."""
    run: Slab | None = None
    end = -1  # where the next small one has to begin
    for index in _heavy_first(specs, wanted):
        spec = specs[index]
        if (
            run is not None
            and spec.offset == end
            and spec.size <= BLOCK
            and index == run.index + run.count
            and spec.dtype is specs[run.index].dtype
            and (run.stop + spec.size) * spec.dtype.itemsize <= piece_bytes
        ):
            run.count += 1
            run.stop += spec.size
            end += spec.nbytes
            continue
        if run is not None:
            yield run
        run = Slab(index, 1, 0, spec.size)
        end = spec.offset + spec.nbytes if spec.offset is not None and spec.size <= BLOCK else -1
    if run is not None:
        yield run


def _heavy_first(specs: Sequence[TensorSpec], wanted: Iterable[int]) -> Sequence[int]:
    """Put the largest of the encoded tensors first: each is done by one thread, and for one begun last all others would wait."""
    wanted = list(wanted)
    encoded = [index for index in wanted if specs[index].offset is None]
    least = sum(specs[index].size for index in encoded) / _HEAVY
    heavy = {index for index in encoded if specs[index].size > least}
    first = sorted(heavy, key=lambda index: -specs[index].size)
    return [*first, *(index for index in wanted if index not in heavy)] if heavy else wanted


def in_order(slab: Slab, spec: TensorSpec, piece_bytes: int | None = None) -> Iterator[Slab]:
    """Cut one slab into pieces, first to last."""
    step = max(1, (piece_bytes or PIECE_BYTES) // (4 * BLOCK)) * BLOCK
    if slab.count > 1 or slab.stop - slab.start <= step:
        yield slab
        return
    for start in range(slab.start, slab.stop, step):
        yield Slab(slab.index, 1, start, min(start + step, slab.stop))
