"""How many values a narrower dtype would lose: counted on stored bits, which are in the order of the magnitudes.

Values are rounded to nearest even, as frameworks do, so what is just below the smallest normal number becomes that.
"""

import math
import threading
from collections.abc import Iterator, Sequence
from functools import cache, reduce
from typing import NamedTuple

import numpy as np

from gradclip_cli.checks.limits import STORED
from gradclip_cli.engine.measure import PieceObserver
from gradclip_cli.formats.base import Format, Reader
from gradclip_cli.numerics.dtypes import FLOATS, DType, Raw, words_of
from gradclip_cli.numerics.narrow_floats import overflow_bits, values_of
from gradclip_cli.numerics.statistics import PieceStats
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.tensors import Piece, TensorSpec

_NAMED = {dtype.name: dtype for dtype in FLOATS}


class RangeCounts:
    """Counts for each tensor of a dump and target: values below the smallest normal number, zeros too, and values that overflow.

    A target is the name of a dtype, or `stored` for the one that a tensor is stored in. Infinities and NaN count among what
    overflows. It follows the files of the dump one after the other, and is told of pieces by several threads, in any order.
    """

    def __init__(self, targets: Sequence[str], work: Workspace) -> None:
        self.targets = targets
        self._work = work
        self._counts: dict[int, list[tuple[int, int]]] = {}
        self._tensors = 0
        self._lock = threading.Lock()

    def observer_for(self, format: Format, reader: Reader) -> PieceObserver | None:
        """Count in all that is read of a file, if there is anything to be counted."""
        specs, start = reader.tensors, self._tensors
        self._tensors += len(specs)

        def observe(piece: Piece, raw: Raw, stats: PieceStats | None) -> None:
            self.count(specs, start, piece, raw)

        return observe if self.targets else None

    def count(self, specs: Sequence[TensorSpec], start: int, piece: Piece, raw: Raw) -> None:
        """Count in a piece that has been read of a file whose tensors are those of the dump from `start` on."""
        for index, part in _tensors(specs, piece, raw):
            found = [_count(part, specs[index].dtype, target, self._work) for target in self.targets]
            with self._lock:
                known = self._counts.get(start + index)
                self._counts[start + index] = found if known is None else _added(known, found)

    def of(self, indices: Sequence[int]) -> list[tuple[int, int]]:
        """Return the counts of a tensor, all its pieces together, for each target."""
        return reduce(_added, (self._counts[index] for index in indices)) if self.targets else []


class _Words(NamedTuple):
    """Stored bits, without the sign: of the smallest normal number of a target, and of the first to overflow there."""

    low: int
    high: int


@cache
def words(dtype: DType, target: str) -> _Words:
    """Return where the values of `dtype` leave the range of `target`."""
    to = dtype if target == STORED else _NAMED[target]
    if to.name == dtype.name:
        return _Words(1 << _mantissa(dtype), _infinite(dtype))
    bias = (1 << (to.exponent - 1)) - 1
    low = math.ldexp(1 - 2.0 ** (-to.mantissa - 1), 1 - bias)
    top = int(overflow_bits(to)) - 1
    step = float(values_of(to)[top] - values_of(to)[top - 1])
    high = float(values_of(to)[top]) + step / 2
    if top % 2 == 0:  # a tie is rounded to what is even, and here that is finite
        high = math.nextafter(high, math.inf)
    return _Words(_first(low, dtype), _first(high, dtype))


def _first(value: float, dtype: DType) -> int:
    """Return the bits of the smallest number of a dtype that is at least `value`; those of infinity if there is none."""
    if dtype.narrow:
        return int(np.searchsorted(values_of(dtype)[: _infinite(dtype)], value))
    kind = np.dtype(dtype.name).type
    with np.errstate(over="ignore"):
        near = kind(value)
    near = near if float(near) >= value else np.nextafter(near, kind(np.inf))
    return int(near.view(f"u{dtype.itemsize}"))


def _mantissa(dtype: DType) -> int:
    return dtype.mantissa or int(np.finfo(dtype.name).nmant)


def _infinite(dtype: DType) -> int:
    if dtype.narrow:
        return int(overflow_bits(dtype))
    return int(np.array(np.inf, dtype.name).view(f"u{dtype.itemsize}"))


def _added(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(low_a + low_b, high_a + high_b) for (low_a, high_a), (low_b, high_b) in zip(a, b, strict=True)]


def _tensors(specs: Sequence[TensorSpec], piece: Piece, raw: Raw) -> Iterator[tuple[int, Raw]]:
    """Cut what was read of small tensors that lie side by side; yield them by index."""
    if piece.count == 1:
        yield piece.index, raw
        return
    at = 0
    for index in range(piece.index, piece.index + piece.count):
        yield index, raw[at : at + specs[index].nbytes]
        at += specs[index].nbytes


def _count(raw: Raw, dtype: DType, target: str, work: Workspace) -> tuple[int, int]:
    bits = words_of(raw, dtype)
    size = work.unsigned_bits.take(bits.size, bits.dtype.type)
    if dtype.swapped:
        bits = bits.byteswap()
    np.bitwise_and(bits, (1 << (8 * dtype.itemsize - 1)) - 1, out=size)
    low, high = words(dtype, target)
    return int(np.count_nonzero(size < low)), int(np.count_nonzero(size >= high))
