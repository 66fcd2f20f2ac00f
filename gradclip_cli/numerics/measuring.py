"""Measure a piece of a tensor, or several small adjacent tensors."""

import math
from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics import norms
from gradclip_cli.numerics.chunks import Span, chunk_of, spans
from gradclip_cli.numerics.complex_measuring import measure_complex_piece, measure_complex_rows
from gradclip_cli.numerics.dtypes import DType, Raw, to_float64
from gradclip_cli.numerics.norms import SumKinds
from gradclip_cli.numerics.statistics import PieceStats
from gradclip_cli.numerics.statistics_table import StatsArrays
from gradclip_cli.numerics.unsigned import Unsigned, unsigned, values_of
from gradclip_cli.numerics.workspace import Workspace

SumArrays = tuple[list[NDArray[np.int64]], list[NDArray[np.float64]]]
"""The exponents and the values of sums: for each kind of sum, one array of shape (rows,) in either list."""

_PLAIN = frozenset({1.0, 2.0})
"""The kinds of sums that are in the range of float64 for all elements narrower than float64."""


def measure_piece(raw: Raw, dtype: DType, types: SumKinds, work: Workspace) -> PieceStats:
    """Measure consecutive elements of one tensor from a block boundary on; complex ones count by their moduli.

    All that is measured of a chunk is measured while it is in the cache.
    """
    if dtype.is_complex:
        return measure_complex_piece(raw, dtype, types, work)
    size, itemsize = raw.size // dtype.itemsize, dtype.itemsize
    counts, tops, sums = list[tuple[int, ...]](), [], list[SumArrays]()
    for span in spans(size, chunk_of(itemsize)) if size else [Span(0, 1, 0)]:
        found = unsigned(raw[span.start * itemsize : span.stop * itemsize], dtype, span[1:], work, axis=None)
        counts.append(found.counts)
        tops.append(found.tops.max())
        sums.append(_row_sums(found, types, dtype, work))
    total = (size, *(sum(column) for column in zip(*counts, strict=True)))
    exponents, values = sums[0] if len(sums) == 1 else _joined(sums)
    return PieceStats(total, float(to_float64(np.array([max(tops)]), dtype)[0]), tuple(exponents), tuple(values))


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


def measure_rows(raw: Raw, dtype: DType, count: int, size: int, types: SumKinds, work: Workspace) -> StatsArrays:
    """Measure `count` adjacent tensors of `size` elements each, at most one block; each row has the bits of its tensor alone."""
    if not size:
        return StatsArrays.empty(count, len(types))
    if dtype.is_complex:
        return measure_complex_rows(raw, dtype, count, size, types, work)
    step, row = max(1, chunk_of(dtype.itemsize) // size), size * dtype.itemsize
    return StatsArrays.concatenate(
        [
            _measure_rows(raw[first * row : (first + step) * row], dtype, (min(step, count - first), size), types, work)
            for first in range(0, count, step)
        ]
    )


def _measure_rows(raw: Raw, dtype: DType, shape: tuple[int, int], types: SumKinds, work: Workspace) -> StatsArrays:
    """Measure a chunk of small tensors of one size."""
    found = unsigned(raw, dtype, shape, work, axis=1 if shape[0] > 1 else None)
    exponents, sums = _row_sums(found, types, dtype, work)
    rows = StatsArrays.empty(shape[0], len(types))
    for k, column in enumerate((shape[1], *found.counts, *exponents)):
        rows.ints[:, k] = column
    for k, values in enumerate((to_float64(found.tops, dtype), *sums)):
        rows.floats[:, k] = values
    return rows


def _row_sums(found: Unsigned, types: SumKinds, dtype: DType, work: Workspace) -> SumArrays:
    """Compute each kind of sum for each row."""
    # The sums of narrower elements are in the range of float64, so that no row must be scaled by its largest |x|.
    peaks = None if dtype.itemsize < 8 and _PLAIN.issuperset(types) else to_float64(found.tops, dtype)
    rows = found.words if all(p == math.inf for p in types) else values_of(found, dtype, work)
    sums = [norms.block_sums(rows, p, peaks, work) for p in types]
    return [exponents for exponents, _ in sums], [values for _, values in sums]


def _joined(parts: Sequence[SumArrays]) -> SumArrays:
    """Join the sums of consecutive chunks."""
    exponents, sums = zip(*parts, strict=True)
    return [np.concatenate(arrays) for arrays in zip(*exponents, strict=True)], [
        np.concatenate(arrays) for arrays in zip(*sums, strict=True)
    ]
