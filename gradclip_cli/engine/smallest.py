"""Find the smallest |x| above 0 of each tensor while a dump is measured."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.engine.measure import PieceObserver
from gradclip_cli.formats.base import Format, Reader
from gradclip_cli.numerics import moduli
from gradclip_cli.numerics.dtypes import DType, Raw, words_of
from gradclip_cli.numerics.narrow_floats import values_of
from gradclip_cli.numerics.statistics import PieceStats
from gradclip_cli.numerics.statistics_arrays import StatsArrays
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.tensors import Piece, TensorSpec

Floats = NDArray[np.float64]


class _PieceSmallest(NamedTuple):
    """Finds the smallest magnitudes in pieces of a file."""

    specs: Sequence[TensorSpec]
    work: Workspace

    def see(self, piece: Piece, raw: Raw, stats: PieceStats | StatsArrays) -> Floats:
        """Return the smallest magnitude above 0 of each tensor in a piece."""
        several = self.specs[piece.index : piece.index + piece.count] if piece.count > 1 else ()
        return smallest(raw, self.specs[piece.index].dtype, [spec.size for spec in several], self.work)


class Smallest:
    """The smallest magnitudes above 0 in the tensors of a dump, by index; infinite for a tensor that has none.

    Files must be observed in the order of the dump; their pieces may come in any order.
    """

    def __init__(self, work: Workspace) -> None:
        self._work = work
        self._files: list[Floats] = []

    def observer_for(self, format: Format, reader: Reader) -> PieceObserver:
        """Return the observer of the pieces of a file."""
        found = np.full(len(reader.tensors), np.inf)
        self._files.append(found)

        def take(piece: Piece, least: Floats) -> None:
            at = slice(piece.index, piece.index + piece.count)
            np.minimum(found[at], least, out=found[at])

        return PieceObserver(_PieceSmallest(reader.tensors, self._work).see, take)

    def values(self) -> Floats:
        """Return the magnitudes as stored, of all tensors of the dump."""
        return np.concatenate(self._files) if self._files else np.empty(0)


def smallest(raw: Raw, dtype: DType, sizes: list[int], work: Workspace) -> Floats:
    """Return the smallest finite |x| above 0 of each of the adjacent tensors of `sizes` elements, or of all if there are none.

    Where there is none, it is infinite.
    """
    sized = np.array(sizes or [raw.size // dtype.itemsize], np.int64)
    found, filled = np.full(sized.size, np.inf), sized > 0
    starts = (np.cumsum(sized) - sized)[filled]
    if not starts.size:
        return found
    if dtype.is_complex:
        values = _moduli(raw, dtype, work)
        found[filled] = np.minimum.reduceat(np.where(values > 0, values, np.inf), starts)  # NaN is not above 0
        return found
    words = words_of(raw, dtype)
    words = words.byteswap() if dtype.swapped else words
    kind = words.dtype.type
    size = np.bitwise_and(
        words, kind((1 << (8 * dtype.itemsize - 1)) - 1), out=work.unsigned_bits.take(words.size, kind)
    )
    np.subtract(size, kind(1), out=size)  # 0 becomes the largest
    least = np.minimum.reduceat(size, starts) if sizes else size.min(keepdims=True)
    found[filled] = _values(np.add(least, kind(1)), dtype)
    return found


def _values(words: NDArray[np.unsignedinteger], dtype: DType) -> Floats:
    """Return the numbers of stored words without a sign; infinite for 0 and for what is not finite."""
    values = values_of(dtype)[words] if dtype.narrow else words.view(dtype.name).astype(np.float64)
    return np.where(np.isfinite(values) & (values > 0), values, np.inf)


def _moduli(raw: Raw, dtype: DType, work: Workspace) -> Floats:
    """Return |z| of each element."""
    step = moduli.CHUNK * dtype.itemsize
    parts = [
        moduli.moduli(moduli.parts_of(raw[k : k + step], dtype, work.real, work.imaginary, work), work).copy()
        for k in range(0, raw.size, step)
    ]
    return np.concatenate(parts)
