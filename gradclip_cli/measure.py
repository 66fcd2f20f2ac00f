"""Statistics of tensors: taken piece by piece, merged exactly."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli import norms
from gradclip_cli.buffers import borrow
from gradclip_cli.dtypes import DType, Floats, Raw, decode, value_of, widen, words_of
from gradclip_cli.narrow import magnitudes, overflow_bits
from gradclip_cli.norms import Power, Sums
from gradclip_cli.tensors import BLOCK, Slab, TensorSpec, cut, in_order
from gradclip_cli.workers import Workers

NormTypes = tuple[float, ...]
Read = Callable[[TensorSpec, int, Raw], None]


class Stats(NamedTuple):
    """What is known of a tensor, or of several together.

    `zeros`, `nan`, `posinf`, `neginf` count elements; `max_abs` and `powers` (one for each sum taken) are over the finite ones.
    """

    elements: int = 0
    zeros: int = 0
    nan: int = 0
    posinf: int = 0
    neginf: int = 0
    max_abs: float = 0.0
    powers: tuple[Power, ...] = ()

    @property
    def nonfinite(self) -> int:
        """How many elements are NaN or infinite."""
        return self.nan + self.posinf + self.neginf

    def as_read(self, finite: float) -> float:
        """Return `nan` if a NaN is there, else `inf` if an infinity is, else `finite`."""
        return math.nan if self.nan else math.inf if self.posinf or self.neginf else finite


class Piece(NamedTuple):
    """Statistics of a piece of one tensor; `exponents` and `sums` hold one array for each sum taken, one number for each block."""

    counts: tuple[int, int, int, int, int]  # elements, zeros, nan, posinf, neginf
    max_abs: float
    exponents: tuple[NDArray[np.int64], ...]
    sums: tuple[NDArray[np.float64], ...]


Seen = Callable[[Slab, Raw, Piece | None], None]
"""What is told of every piece once it is measured: its stored elements, and what was found in it; not of small tensors."""


def join(pieces: Sequence[Piece], types: Sums) -> Stats:
    """Merge the pieces of one tensor, in any order."""
    elements, zeros, nan, posinf, neginf = (
        sum(column) for column in zip(*(piece.counts for piece in pieces), strict=True)
    )
    powers = tuple(
        norms.total_blocks([piece.exponents[k] for piece in pieces], [piece.sums[k] for piece in pieces], p)
        for k, p in enumerate(types)
    )
    return Stats(elements, zeros, nan, posinf, neginf, max(piece.max_abs for piece in pieces), powers)


def merge(parts: Iterable[Stats], types: Sums) -> Stats:
    """Merge the statistics of several tensors, in any order."""
    parts = list(parts)
    if not parts:
        return Stats(powers=tuple((0, 0.0) for _ in types))
    counts = [(part.elements, part.zeros, part.nan, part.posinf, part.neginf) for part in parts]
    elements, zeros, nan, posinf, neginf = (sum(column) for column in zip(*counts, strict=True))
    powers = tuple(norms.total((part.powers[k] for part in parts), p) for k, p in enumerate(types))
    return Stats(elements, zeros, nan, posinf, neginf, max(part.max_abs for part in parts), powers)


def merged(parts: Sequence[Stats], types: Sums) -> Stats:
    """Return the one, or merge the several."""
    return parts[0] if len(parts) == 1 else merge(parts, types)


def measure_piece(raw: Raw, dtype: DType, types: Sums) -> Piece:
    """Measure consecutive elements of one tensor, beginning at a whole number of blocks."""
    values, peak, zeros, finite = _looked_at(raw, dtype)
    counts = (values.size, zeros, 0, 0, 0)
    if not finite:
        values = decode(raw, dtype)
        counts = (values.size, zeros, *_nonfinite(values))
        values = np.where(np.isfinite(values), values, values.dtype.type(0))
        peak = float(np.abs(values).max(initial=0))
    wide = widen(values)
    full = wide.size - wide.size % BLOCK
    rows = [wide[:full].reshape(-1, BLOCK), wide[full:].reshape(1, -1)]
    found = [_powers(part, types, dtype) for part in rows if part.size or not values.size]
    exponents = tuple(np.concatenate(arrays) for arrays in zip(*(exponents for exponents, _ in found), strict=True))
    sums = tuple(np.concatenate(arrays) for arrays in zip(*(sums for _, sums in found), strict=True))
    return Piece(counts, peak, exponents, sums)


def measure_small(raw: Raw, dtype: DType, sizes: Sequence[int], types: Sums) -> Iterator[Stats]:
    """Measure tensors of at most one block each that lie side by side; those of one size in one go, with the same bits."""
    itemsize, at = dtype.itemsize, 0
    for size, run in groupby(sizes):
        count = sum(1 for _ in run)
        part = raw[at : at + count * size * itemsize]
        at += part.size
        yield from _measure_rows(part, dtype, count, size, types)


def _measure_rows(raw: Raw, dtype: DType, count: int, size: int, types: Sums) -> Iterator[Stats]:
    values = decode(raw, dtype)
    if count == 1 or not size or not np.isfinite(values).all():
        for k in range(count):
            one = raw[k * size * dtype.itemsize : (k + 1) * size * dtype.itemsize]
            yield join([measure_piece(one, dtype, types)], types)
        return
    rows = widen(values).reshape(count, size)
    zeros = np.count_nonzero(rows == 0, axis=1).tolist()
    exponents, sums = _powers(rows, types, dtype)
    powers = zip(*(zip(e.tolist(), s.tolist(), strict=True) for e, s in zip(exponents, sums, strict=True)), strict=True)
    for zero, peak, power in zip(zeros, _peaks(rows).tolist(), powers, strict=True):
        yield Stats(size, zero, 0, 0, 0, peak, power)


def _powers(
    rows: NDArray[np.float64], types: Sums, dtype: DType
) -> tuple[list[NDArray[np.int64]], list[NDArray[np.float64]]]:
    """Return exponents and sums of each row for each sum taken; peaks are looked for only where the norm needs them."""
    plain = dtype.itemsize < 8
    peaks = np.ones(len(rows)) if plain and all(p in (1.0, 2.0) for p in types) else _peaks(rows)
    found = [norms.block_powers(rows, p, peaks) for p in types]
    return [exponents for exponents, _ in found], [sums for _, sums in found]


def _peaks(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest |x| of each row."""
    peaks: NDArray[np.float64] = np.maximum(rows.max(axis=1, initial=0), -rows.min(axis=1, initial=0))
    return peaks


def _looked_at(raw: Raw, dtype: DType) -> tuple[Floats, float, int, bool]:
    """Return the elements (of narrow floats without their sign), the largest |x|, the number of zeros, and if all is finite."""
    if dtype.narrow and not dtype.swapped:
        words = words_of(raw, dtype)
        size = borrow("size", words.size, words.dtype.type)
        np.bitwise_and(words, (1 << (8 * dtype.itemsize - 1)) - 1, out=size)
        top, zeros = size.max(initial=0), size.size - int(np.count_nonzero(size))
        return magnitudes(size, dtype), value_of(top, dtype), zeros, bool(top < overflow_bits(dtype))
    values = decode(raw, dtype)
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    zero = borrow("is zero", values.size, np.bool_)
    np.equal(values, 0, out=zero)
    return values, max(high, -low), int(np.count_nonzero(zero)), math.isfinite(low) and math.isfinite(high)


def _nonfinite(values: Floats) -> tuple[int, int, int]:
    """Count NaN, +Inf and -Inf."""
    nan, posinf, neginf = (int(np.count_nonzero(kind(values))) for kind in (np.isnan, np.isposinf, np.isneginf))
    return nan, posinf, neginf


def measure(
    specs: Sequence[TensorSpec],
    wanted: Sequence[int],
    read: Read,
    types: Sums,
    workers: Workers,
    seen: Seen | None = None,
) -> dict[int, Stats]:
    """Measure the tensors `wanted` (indices into `specs`, ascending); `read` fills raw bytes from an element on."""
    found: dict[int, Stats] = {}
    pieces: dict[int, list[Piece]] = {}

    def task(slab: Slab) -> tuple[Slab, list[Piece], list[Stats]]:
        dtype = specs[slab.index].dtype
        if slab.count > 1:
            sizes = [spec.size for spec in specs[slab.index : slab.index + slab.count]]
            raw = fetch(read, slab, specs)
            if seen is not None:
                seen(slab, raw, None)
            return slab, [], list(measure_small(raw, dtype, sizes, types))
        found = []
        for part in in_order(slab, specs[slab.index]):
            raw = fetch(read, part, specs)
            found.append(measure_piece(raw, dtype, types))
            if seen is not None:
                seen(part, raw, found[-1])
        return slab, found, []

    for slab, parts, whole in workers.map(task, cut(specs, wanted)):
        found.update(zip(range(slab.index, slab.index + slab.count), whole, strict=False))
        if parts:
            pieces.setdefault(slab.index, []).extend(parts)
    found.update((index, join(parts, types)) for index, parts in pieces.items())
    return {index: found[index] for index in wanted}


def fetch(read: Read, slab: Slab, specs: Sequence[TensorSpec]) -> Raw:
    """Read a slab into a reused array, good until the next call in this thread."""
    first = specs[slab.index]
    raw = borrow("raw", (slab.stop - slab.start) * first.dtype.itemsize, np.uint8)
    read(first, slab.start, raw)
    return raw
