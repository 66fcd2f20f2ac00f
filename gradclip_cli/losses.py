"""How many values a narrower dtype would lose: counted on stored bits, which are in the order of the magnitudes.

Values are rounded to nearest even, as frameworks do, so what is just below the smallest normal number becomes that.
"""

import math
import threading
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from gradclip_cli.buffers import borrow
from gradclip_cli.dtypes import FLOATS, DType, Raw, words_of
from gradclip_cli.formats.base import Format, Reader
from gradclip_cli.measure import Piece, Seen
from gradclip_cli.narrow import overflow_bits, values_of
from gradclip_cli.rules.limits import STORED
from gradclip_cli.tensors import Slab, TensorSpec

_NAMED = {dtype.name: dtype for dtype in FLOATS}


class Losses:
    """Counts for each tensor and target: values below the smallest normal number, zeros too, and values that overflow.

    A target is the name of a dtype, or `stored` for the one that a tensor is stored in. Infinities and NaN count among what
    overflows. It is told of pieces by several threads, in any order; pieces of tensors of one name add up.
    """

    def __init__(self, targets: Sequence[str]) -> None:
        self._targets = targets
        self._counts: dict[str, list[tuple[int, int]]] = {}
        self._lock = threading.Lock()

    def follow(self, format: Format, reader: Reader) -> Seen | None:
        """Count in all that is read of a file, if there is anything to be counted."""

        def see(slab: Slab, raw: Raw, piece: Piece | None) -> None:
            self.look(reader.tensors, slab, raw)

        return see if self._targets else None

    def look(self, specs: Sequence[TensorSpec], slab: Slab, raw: Raw) -> None:
        """Count in a slab that has been read."""
        for spec, part in _tensors(specs, slab, raw):
            found = [_count(part, spec.dtype, target) for target in self._targets]
            with self._lock:
                known = self._counts.get(spec.name, [(0, 0)] * len(found))
                self._counts[spec.name] = [
                    (a + low, b + high) for (a, b), (low, high) in zip(known, found, strict=True)
                ]

    def of(self, name: str) -> list[tuple[int, int]]:
        """Return the counts of a tensor, for each target."""
        return self._counts[name] if self._targets else []


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
    """The bits of the smallest number of a dtype that is at least `value`; those of infinity if there is none."""
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


def _tensors(specs: Sequence[TensorSpec], slab: Slab, raw: Raw) -> Iterator[tuple[TensorSpec, Raw]]:
    """Cut what was read of small tensors that lie side by side."""
    if slab.count == 1:
        yield specs[slab.index], raw
        return
    at = 0
    for spec in specs[slab.index : slab.index + slab.count]:
        yield spec, raw[at : at + spec.nbytes]
        at += spec.nbytes


def _count(raw: Raw, dtype: DType, target: str) -> tuple[int, int]:
    bits = words_of(raw, dtype)
    size = borrow("magnitude", bits.size, bits.dtype.type)
    if dtype.swapped:
        bits = bits.byteswap()
    np.bitwise_and(bits, (1 << (8 * dtype.itemsize - 1)) - 1, out=size)
    low, high = words(dtype, target)
    return int(np.count_nonzero(size < low)), int(np.count_nonzero(size >= high))
