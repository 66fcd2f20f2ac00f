"""Measure a piece of a tensor, or several small adjacent tensors."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics import norms
from gradclip_cli.numerics.chunks import CHUNK, spans
from gradclip_cli.numerics.complex_measuring import measure_complex_piece, measure_complex_rows
from gradclip_cli.numerics.dtypes import DType, Floats, Raw, widen, words_of
from gradclip_cli.numerics.norms import BLOCK, ClippedSum, SumKinds
from gradclip_cli.numerics.overall import Overall
from gradclip_cli.numerics.scanning import Scan, count, without_signs
from gradclip_cli.numerics.statistics import PieceStats
from gradclip_cli.numerics.statistics_arrays import StatsArrays
from gradclip_cli.numerics.sums import sum_powers
from gradclip_cli.numerics.workspace import Workspace

_PLAIN = frozenset({1.0, 2.0})
"""The kinds of sums that are in the range of float64 for all elements narrower than float64."""

_SQUARES: SumKinds = (2.0,)


class _Sums:
    """The sums of consecutive rows, of each kind: exponents and values, both of shape (kinds, rows)."""

    def __init__(self, rows: int, dtype: DType, types: SumKinds, work: Workspace) -> None:
        self.exponents, self.values = np.zeros((len(types), rows), np.int64), np.zeros((len(types), rows))
        self._types, self._work, self._first = types, work, 0
        self._mixed = any(isinstance(p, ClippedSum) for p in types)  # elements of float32 beside limits of float64
        # Only sums that may leave the range of float64 need the largest |x| of each row.
        self._plain = dtype.itemsize < 8 and _PLAIN.issuperset(types)

    def add(self, rows: Floats, exact_squares: bool) -> None:
        """Sum the next rows, an array of shape (rows, width); `exact_squares` says that their squares are of its dtype."""
        part = slice(self._first, self._first + len(rows))
        self._first = part.stop
        if exact_squares and self._types == _SQUARES:
            # A tenth faster than in float64, with the same bits.
            sum_powers(np.multiply(rows, rows, out=rows), 1.0, self._work, out=self.values[0, part])
        elif self._plain:
            for k, p in enumerate(self._types):
                sum_powers(rows, 2.0 if p == 2.0 else 1.0, self._work, out=self.values[k, part])
        else:
            peaks = np.maximum.reduce(rows, axis=1).astype(np.float64)
            rows = widen(rows, self._work) if self._mixed else rows
            for k, p in enumerate(self._types):
                self.exponents[k, part], self.values[k, part] = norms.block_sums(rows, p, peaks, self._work)


def measure_piece(raw: Raw, dtype: DType, types: SumKinds, work: Workspace) -> PieceStats:
    """Measure consecutive elements of one tensor from a block boundary on; complex ones count by their moduli.

    All that is measured of a chunk is measured while it is in the cache.
    """
    if dtype.is_complex:
        return measure_complex_piece(raw, dtype, types, work)
    words = words_of(raw, dtype)
    sums = _Sums(max(1, -(-words.size // BLOCK)), dtype, types, work)
    scan = Scan(dtype, work, signs=types == _SQUARES)
    for start, rows, width in spans(words.size, CHUNK):
        values = scan.values(words[start : start + rows * width])
        sums.add(values.reshape(rows, width), scan.exact_squares)
    return PieceStats((words.size, *scan.counts), scan.max_abs, tuple(sums.exponents), tuple(sums.values))


def measure_small(raw: Raw, dtype: DType, sizes: Sequence[int], types: SumKinds, work: Workspace) -> StatsArrays:
    """Measure adjacent tensors of at most one block each; the result has the same bits as measuring each alone.

    Neighbours of the same size are measured at once. What cannot be gradients, which is copied, has rows of zeros.
    """
    if not dtype.is_gradient:
        return StatsArrays.empty(len(sizes), len(types))
    itemsize, at, blocks = dtype.itemsize, 0, []
    for size, run in groupby(sizes):
        number = sum(1 for _ in run)
        part = raw[at : at + number * size * itemsize]
        at += part.size
        blocks.append(measure_rows(part, dtype, number, size, types, work))
    return StatsArrays.concatenate(blocks)


def measure_alike(
    raws: NDArray[np.uint8], dtype: DType, sizes: Sequence[int], types: SumKinds, work: Workspace
) -> list[tuple[StatsArrays, Overall]]:
    """Measure several runs of adjacent tensors of the same `sizes`, at most one block each; `raws` is (runs, bytes of a run).

    Each result, with what its rows have together, has the same bits as measuring its run alone.
    """
    itemsize, at, count, blocks = dtype.itemsize, 0, len(raws), []
    for size, same in groupby(sizes):
        tensors = sum(1 for _ in same)
        part = np.ascontiguousarray(raws[:, at : at + tensors * size * itemsize])
        at += tensors * size * itemsize
        blocks.append(measure_rows(part.reshape(-1), dtype, count * tensors, size, types, work))
    ints, floats = (
        np.concatenate([one.reshape(count, -1, one.shape[1]) for one in parts], axis=1)
        for parts in zip(*blocks, strict=True)
    )
    return [(StatsArrays(*pair), one) for *pair, one in zip(ints, floats, Overall.of_each(ints, floats), strict=True)]


def measure_rows(raw: Raw, dtype: DType, count: int, size: int, types: SumKinds, work: Workspace) -> StatsArrays:
    """Measure `count` adjacent tensors of `size` elements each, at most one block; each row has the bits of its tensor alone."""
    if not size:
        return StatsArrays.empty(count, len(types))
    if dtype.is_complex:
        return measure_complex_rows(raw, dtype, count, size, types, work)
    rows, step = words_of(raw, dtype).reshape(count, size), max(1, CHUNK // size)
    return StatsArrays.concatenate(
        [_measure_rows(rows[first : first + step], dtype, types, work) for first in range(0, count, step)]
    )


def _measure_rows(words: NDArray[Any], dtype: DType, types: SumKinds, work: Workspace) -> StatsArrays:
    """Measure a chunk of small tensors of one size."""
    scan, sums = Scan(dtype, work, signs=False), _Sums(len(words), dtype, types, work)
    values = scan.values(words.reshape(-1)).reshape(words.shape)
    found = StatsArrays.empty(len(words), len(types))
    found.ints[:, 0] = words.shape[1]
    found.floats[:, 0] = values.max(axis=1)
    sums.add(values, scan.exact_squares)
    if any(scan.counts):
        counts = (
            scan.counts if len(words) == 1 else count(without_signs(words, dtype, work), words, dtype, work, axis=1)
        )
        for k, column in enumerate(counts):
            found.ints[:, 1 + k] = column
    found.ints[:, 5:], found.floats[:, 1:] = sums.exponents.T, sums.values.T
    return found
