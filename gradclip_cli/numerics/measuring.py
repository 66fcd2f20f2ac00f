"""Measure a piece of a tensor, or several small adjacent tensors."""

import math
from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics import norms
from gradclip_cli.numerics.complex_measuring import measure_complex_piece, measure_complex_rows
from gradclip_cli.numerics.dtypes import DType, Floats, Raw, decode, value_of, widen, words_of
from gradclip_cli.numerics.narrow_floats import FNUZ, magnitudes, overflow_bits
from gradclip_cli.numerics.norms import BLOCK, SumKinds
from gradclip_cli.numerics.overall import Overall
from gradclip_cli.numerics.statistics import PieceStats, merge
from gradclip_cli.numerics.statistics_table import StatsArrays
from gradclip_cli.numerics.workspace import Workspace

SumArrays = tuple[list[NDArray[np.int64]], list[NDArray[np.float64]]]
"""The exponents and the values of sums: for each kind of sum, one array of shape (rows,) in either list."""

_PLAIN = frozenset({1.0, 2.0})
"""The kinds of sums that are in the range of float64 for all elements narrower than float64."""


def measure_piece(raw: Raw, dtype: DType, types: SumKinds, work: Workspace) -> PieceStats:
    """Measure consecutive elements of one tensor from a block boundary on; complex ones count by their moduli."""
    if dtype.is_complex:
        return measure_complex_piece(raw, dtype, types, work)
    values, peak, zeros, finite = _inspect(raw, dtype, work)
    counts = (values.size, zeros, 0, 0, 0)
    if not finite:
        values = decode(raw, dtype, work)
        counts = (values.size, zeros, *_nonfinite(values))
        values = np.where(np.isfinite(values), values, values.dtype.type(0))
        peak = float(np.abs(values).max(initial=0))
    if not _needs_no_peaks(types, dtype):
        values = widen(values, work)
    exponents, sums = _by_block(values, types, dtype, work)
    return PieceStats(counts, peak, tuple(exponents), tuple(sums))


def measure_small(raw: Raw, dtype: DType, sizes: Sequence[int], types: SumKinds, work: Workspace) -> StatsArrays:
    """Measure adjacent tensors of at most one block each; the result has the same bits as measuring each alone.

    Neighbours of the same size are measured at once.
    """
    itemsize, at, blocks = dtype.itemsize, 0, []
    for size, run in groupby(sizes):
        count = sum(1 for _ in run)
        part = raw[at : at + count * size * itemsize]
        at += part.size
        blocks.append(measure_rows(part, dtype, count, size, types, work))
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
    if count == 1:
        return StatsArrays.of([merge([measure_piece(raw, dtype, types, work)], types)], len(types))
    values = decode(raw, dtype, work)
    finite: NDArray[np.bool_] = np.isfinite(values)
    if not finite.all():
        return _measure_apart(raw, dtype, np.logical_and.reduce(finite.reshape(count, size), axis=1), types, work)
    rows = widen(values, work).reshape(count, size)
    exponents, sums = _row_sums(rows, types, dtype, work)
    zeros, nonfinite = np.count_nonzero(rows == 0, axis=1), np.zeros((3, count), np.int64)
    ints = np.array([np.full(count, size), zeros, *nonfinite, *exponents], np.int64)
    return StatsArrays(ints.T, np.array([_peaks(rows), *sums]).T)


def _measure_apart(raw: Raw, dtype: DType, finite: NDArray[np.bool_], types: SumKinds, work: Workspace) -> StatsArrays:
    """Measure the rows that are not `finite` one by one, and the others at once."""
    rows = raw.reshape(finite.size, -1)
    found = StatsArrays.empty(finite.size, len(types))
    alone = range(finite.size) if np.count_nonzero(finite) < 2 else np.flatnonzero(~finite).tolist()
    if len(alone) < finite.size:
        kept = np.ascontiguousarray(rows[finite])
        found.put(
            finite, measure_rows(kept.reshape(-1), dtype, len(kept), kept.shape[1] // dtype.itemsize, types, work)
        )
    found.put(
        alone, StatsArrays.of([merge([measure_piece(rows[k], dtype, types, work)], types) for k in alone], len(types))
    )
    return found


def _by_block(values: Floats, types: SumKinds, dtype: DType, work: Workspace) -> SumArrays:
    """Sum the blocks of a piece, of which the last may be shorter."""
    full = values.size - values.size % BLOCK
    if full == values.size > 0:
        return _row_sums(values.reshape(-1, BLOCK), types, dtype, work)
    exponents, sums = _row_sums(values[full:].reshape(1, -1), types, dtype, work)
    if not full:
        return exponents, sums
    before = _row_sums(values[:full].reshape(-1, BLOCK), types, dtype, work)
    return (
        [np.concatenate(both) for both in zip(before[0], exponents, strict=True)],
        [np.concatenate(both) for both in zip(before[1], sums, strict=True)],
    )


def _row_sums(rows: Floats, types: SumKinds, dtype: DType, work: Workspace) -> SumArrays:
    """Compute each kind of sum for each row; rows may be float32 if peaks are not needed."""
    peaks = None if _needs_no_peaks(types, dtype) else _peaks(rows)
    found = [norms.block_sums(rows, p, peaks, work) for p in types]
    return [exponents for exponents, _ in found], [sums for _, sums in found]


def _needs_no_peaks(types: SumKinds, dtype: DType) -> bool:
    """Return whether all sums are in the range of float64, so that no block must be scaled by its largest |x|."""
    return dtype.itemsize < 8 and _PLAIN.issuperset(types)


def _peaks(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest |x| of each row."""
    peaks: NDArray[np.float64] = np.abs(np.maximum(rows.max(axis=1, initial=0), -rows.min(axis=1, initial=0)))
    return peaks


def _inspect(raw: Raw, dtype: DType, work: Workspace) -> tuple[Floats, float, int, bool]:
    """Return the elements (narrow floats without sign), the largest |x|, the number of zeros, and whether all are finite."""
    if dtype.narrow and not dtype.swapped and dtype.variant != FNUZ:
        words = words_of(raw, dtype)
        size = work.unsigned.take(words.size, words.dtype.type)
        np.bitwise_and(words, (1 << (8 * dtype.itemsize - 1)) - 1, out=size)
        top, zeros = size.max(initial=0), size.size - int(np.count_nonzero(size))
        return magnitudes(size, dtype, work), value_of(top, dtype), zeros, bool(top < overflow_bits(dtype))
    values = decode(raw, dtype, work)
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    zero = work.is_zero.take(values.size, np.bool_)
    np.equal(values, 0, out=zero)
    return values, abs(max(high, -low)), int(np.count_nonzero(zero)), math.isfinite(low) and math.isfinite(high)


def _nonfinite(values: Floats) -> tuple[int, int, int]:
    """Count NaN, +Inf and -Inf."""
    nan, posinf, neginf = (int(np.count_nonzero(kind(values))) for kind in (np.isnan, np.isposinf, np.isneginf))
    return nan, posinf, neginf
