"""Measure complex tensors by the moduli of their elements, row by row: a row is a block, or a small tensor."""

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics import moduli, norms
from gradclip_cli.numerics.dtypes import DType, Raw
from gradclip_cli.numerics.moduli import CHUNK, Parts
from gradclip_cli.numerics.norms import BLOCK, SumKinds
from gradclip_cli.numerics.statistics import PieceStats
from gradclip_cli.numerics.statistics_arrays import StatsArrays
from gradclip_cli.numerics.workspace import Workspace


def measure_complex_piece(raw: Raw, dtype: DType, types: SumKinds, work: Workspace) -> PieceStats:
    """Measure consecutive elements of one tensor from a block boundary on."""
    size = raw.size // dtype.itemsize
    full = size - size % BLOCK
    parts = (
        [measure_complex_rows(raw[: full * dtype.itemsize], dtype, full // BLOCK, BLOCK, types, work)] if full else []
    )
    if full < size or not size:
        parts.append(measure_complex_rows(raw[full * dtype.itemsize :], dtype, 1, size - full, types, work))
    return StatsArrays.concatenate(parts).as_piece()


def measure_complex_rows(
    raw: Raw, dtype: DType, count: int, width: int, types: SumKinds, work: Workspace
) -> StatsArrays:
    """Measure `count` adjacent rows of `width` elements each; the result has one row for each."""
    step = max(1, CHUNK // max(1, width))
    return StatsArrays.concatenate(
        [
            _measure(
                _rows(raw[start * width * dtype.itemsize :], dtype, min(step, count - start), width, work), types, work
            )
            for start in range(0, count, step)
        ]
    )


def _rows(raw: Raw, dtype: DType, count: int, width: int, work: Workspace) -> Parts:
    """Decode the first `count` rows of `raw`."""
    flat = moduli.parts_of(raw[: count * width * dtype.itemsize], dtype, work.real, work.imaginary, work)
    return Parts(flat.real.reshape(count, width), flat.imaginary.reshape(count, width), flat.wide)


def _measure(parts: Parts, types: SumKinds, work: Workspace) -> StatsArrays:
    count, width = parts.real.shape
    nonfinite = _without_nonfinite(parts)
    squares = moduli.squares(parts, work)
    peaks = squares.peaks
    sums = squares.sums(work) if 2.0 in types else peaks
    # Squares are summed without a root; all else is summed over the moduli, which overwrite them.
    sizes = moduli.moduli(parts, work) if any(p != 2.0 for p in types) else None
    found = [
        (squares.exponents, sums) if sizes is None or p == 2.0 else norms.block_sums(sizes, p, peaks, work)
        for p in types
    ]
    zeros = squares.zeros - nonfinite.sum(axis=0)  # what is not finite was set to 0
    ints = [np.full(count, width), zeros, *nonfinite, np.zeros(count, np.int64), *(exponents for exponents, _ in found)]
    return StatsArrays(np.array(ints, np.int64).T, np.array([peaks, *(values for _, values in found)]).T)


def _without_nonfinite(parts: Parts) -> NDArray[np.int64]:
    """Set elements that are NaN or infinite to 0; return how many were NaN and how many infinite, of shape (2, rows)."""
    if moduli.are_finite(parts):
        return np.zeros((2, len(parts.real)), np.int64)
    kinds = moduli.is_nan(parts), moduli.is_infinite(parts)
    for part in (parts.real, parts.imaginary):
        np.copyto(part, 0.0, where=kinds[0] | kinds[1])
    return np.array([np.count_nonzero(kind, axis=1) for kind in kinds], np.int64)
