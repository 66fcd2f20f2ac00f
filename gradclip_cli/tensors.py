"""Describe tensors as they are stored in a file, and split them into pieces."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from gradclip_cli.numerics.dtypes import DType
from gradclip_cli.numerics.norms import BLOCK

PIECE_BYTES = 2 << 20
"""Bytes of float32 that are read, processed and written at once; other dtypes take as many elements."""


_HEAVY = 16
"""An encoded tensor is heavy where it holds more than 1/16 of all encoded elements."""


@dataclass(slots=True)
class TensorSpec:
    """One named array of a dump, as its header describes it. Treat it as immutable: freezing a million takes three seconds.

    `offset` is the position of the first of its contiguous elements in the file, in bytes; None where they are encoded, and
    can only be read and written in order. `fortran` means column-major order. `held` is the number of bytes that must be in
    memory at once to read any of it, where it cannot be read in pieces.
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
        """Return the position of element `start` in the file, in bytes; raise TypeError for an encoded tensor."""
        if self.offset is None:
            raise TypeError(f"{self.name} is encoded and has no positions")
        return self.offset + start * self.dtype.itemsize


@dataclass(slots=True)
class Slab:
    """Elements `start` to `stop` of tensor `index`, or all of `count` small tensors that are adjacent in the file."""

    index: int
    count: int
    start: int
    stop: int


def split(specs: Sequence[TensorSpec], wanted: Iterable[int], piece_bytes: int = PIECE_BYTES) -> Iterator[Slab]:
    """Split the tensors `wanted` (ascending indices) into slabs that can be processed in any order.

    Adjacent tensors of at most one block each share a slab. An encoded tensor stays whole: see `pieces_in_order`.
    """
    for slab in _runs(specs, wanted, piece_bytes):
        first = specs[slab.index]
        if first.offset is None:
            yield slab
        else:
            yield from pieces_in_order(slab, first, piece_bytes)


def _runs(specs: Sequence[TensorSpec], wanted: Iterable[int], piece_bytes: int) -> Iterator[Slab]:
    """Yield a slab for each run of small adjacent tensors, and one for every other tensor."""
    run: Slab | None = None
    end = -1  # where the next small tensor has to begin to join the run
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
    """Move the largest encoded tensors to the front: one thread does each, and all others would wait for one begun last."""
    wanted = list(wanted)
    encoded = [index for index in wanted if specs[index].offset is None]
    least = sum(specs[index].size for index in encoded) / _HEAVY
    heavy = {index for index in encoded if specs[index].size > least}
    first = sorted(heavy, key=lambda index: -specs[index].size)
    return [*first, *(index for index in wanted if index not in heavy)] if heavy else wanted


def pieces_in_order(slab: Slab, spec: TensorSpec, piece_bytes: int = PIECE_BYTES) -> Iterator[Slab]:
    """Split one slab into pieces of whole blocks, from first to last."""
    step = max(1, piece_bytes // (4 * BLOCK)) * BLOCK
    if slab.count > 1 or slab.stop - slab.start <= step:
        yield slab
        return
    for start in range(slab.start, slab.stop, step):
        yield Slab(slab.index, 1, start, min(start + step, slab.stop))
