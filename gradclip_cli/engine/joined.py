"""Read a tensor whose pieces lie in several files as if it were whole."""

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.formats.portable import PortableReader
from gradclip_cli.inputs.pieces import Shape
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.tensors import TensorSpec


class JoinedPiece(NamedTuple):
    """A piece of a tensor in an open file, and its first element in the whole tensor, along each axis."""

    file: PortableReader
    spec: TensorSpec
    offsets: Shape

    def between(self, start: Shape, stop: Shape) -> tuple[int, int]:
        """Return the range of the piece's elements between two positions of the whole tensor, in row-major order."""
        return (self._before(start), self._before(stop)) if self.spec.shape else (0, 1)

    def _before(self, position: Shape) -> int:
        """Return how many elements of the piece come before a position of the whole tensor."""
        count = 0
        for axis, (at, offset, size) in enumerate(zip(position, self.offsets, self.spec.shape, strict=True)):
            inside = min(max(at - offset, 0), size)
            count += inside * prod(self.spec.shape[axis + 1 :])
            if not offset <= at < offset + size:
                break
        return count

    def places(self, first: int, last: int, shape: Shape) -> NDArray[np.intp]:
        """Return where elements `first` to `last` of the piece are in the whole tensor, in row-major order."""
        inside = np.unravel_index(np.arange(first, last), self.spec.shape)
        return np.ravel_multi_index([axis + offset for axis, offset in zip(inside, self.offsets, strict=True)], shape)


class Joined(NamedTuple):
    """A tensor in pieces that fill it; it is read like a tensor of a file, but never held as a whole."""

    shape: Shape
    pieces: Sequence[JoinedPiece]

    @property
    def path(self) -> str:
        """The path of the first file."""
        return self.pieces[0].file.path

    @property
    def paths(self) -> tuple[str, ...]:
        """The path of the first file, which stands for all."""
        return (self.path,)

    @property
    def has_checksums(self) -> bool:
        """Whether any of the files holds checksums."""
        return any(piece.file.has_checksums for piece in self.pieces)

    @property
    def spec(self) -> TensorSpec:
        """The whole tensor, whose pieces can be read in any order."""
        first = self.pieces[0].spec
        return TensorSpec(first.name, first.dtype, self.shape, 0)

    def read(self, spec: TensorSpec, start: int, out: Raw) -> None:
        """Fill `out` with the elements of the whole tensor from element `start` on, in row-major order."""
        itemsize, row = spec.dtype.itemsize, prod(self.shape[1:])
        for piece in self.pieces if out.size else ():
            first, last = piece.between(self._position(start), self._position(start + out.size // itemsize))
            if first == last:
                continue
            if piece.spec.shape[1:] == self.shape[1:]:  # whole rows, which adjoin
                begin = (piece.offsets[0] * row if self.shape else 0) + first - start
                piece.file.read(piece.spec, first, out[begin * itemsize : (begin + last - first) * itemsize])
                continue
            part = np.empty((last - first) * itemsize, np.uint8)
            piece.file.read(piece.spec, first, part)
            elements = np.dtype((np.void, itemsize))
            out.view(elements)[piece.places(first, last, self.shape) - start] = part.view(elements)

    def _position(self, index: int) -> Shape:
        """Return the position along each axis of element `index`, or one after the end of the first axis for the end."""
        found = []
        for size in reversed(self.shape[1:]):
            index, at = divmod(index, size)
            found.append(at)
        return (index, *reversed(found)) if self.shape else ()

    def receipts(self) -> list[Any] | None:
        """Return and forget the checksums of what was read of each piece's file."""
        found = [piece.file.receipts() for piece in self.pieces]
        return found if any(one is not None for one in found) else None

    def take(self, receipts: list[Any]) -> None:
        """Give the readers what their copies in another process have read."""
        for piece, own in zip(self.pieces, receipts, strict=True):
            if own is not None:
                piece.file.take(own)
