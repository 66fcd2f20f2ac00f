"""Compare two tensors of one shape, piece by piece."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gradclip_cli.numerics.complex_comparison import compare_complex, compare_identical
from gradclip_cli.numerics.differences import Difference, Numbers, Tolerance, difference, merge_differences, numbers
from gradclip_cli.numerics.dtypes import FLOAT64, DType, Raw
from gradclip_cli.numerics.norms import BLOCK, ScaledSum, total
from gradclip_cli.numerics.products import (
    BlockSquares,
    BlockSums,
    L2Norm,
    block_products,
    block_squares,
    concatenate,
    dot_product,
    l2_norm,
)
from gradclip_cli.numerics.products import total as total_norm
from gradclip_cli.numerics.workspace import Workspace

_CHUNK = 4 * BLOCK
"""The number of elements compared at once: few enough for all intermediate arrays to stay in the cache of a core."""

_FIRST = 256
"""The bytes that are compared before all others."""


class PieceComparison(NamedTuple):
    """The comparison of consecutive blocks of two tensors.

    `a` and `b` are None unless that tensor is of floats, `products` (Σa·b of each block, of complex numbers the real part of
    Σ conj(a)·b) and `distance` (Σ|a - b|²) are None unless both are.
    """

    difference: Difference
    a: BlockSquares | None = None
    b: BlockSquares | None = None
    products: BlockSums | None = None
    distance: BlockSquares | None = None


class Comparison(NamedTuple):
    """The comparison of two tensors.

    `a` and `b` are None unless that tensor is of floats, `product` (Σa·b) and `distance`, the norm of a - b in which elements
    that are the same count 0, are None unless both are.
    """

    difference: Difference
    a: L2Norm | None = None
    b: L2Norm | None = None
    product: ScaledSum | None = None
    distance: L2Norm | None = None


def compare_piece(
    a: Raw,
    b: Raw,
    dtypes: tuple[DType, DType],
    tolerance: Tolerance,
    work: Workspace,
    scales: tuple[float, float] = (1.0, 1.0),
) -> PieceComparison:
    """Compare consecutive elements of two tensors from a block boundary on; `a` and `b` are their stored bytes.

    Elements are compared in the units of `a`, which are those of the tolerance times its loss scale, the first of `scales`.
    """
    of_a, of_b = dtypes
    ratio, tolerance = scales[0] / scales[1], tolerance._replace(atol=tolerance.atol * scales[0])
    chunks = []
    for start, stop, width in _split(a.size // of_a.itemsize):
        part_a = a[start * of_a.itemsize : stop * of_a.itemsize]
        part_b = b[start * of_b.itemsize : stop * of_b.itemsize]
        if of_a == of_b and ratio == 1 and _are_identical(part_a, part_b):
            chunks.append(_compare_identical(part_a, of_a, width, work))
        elif of_a.is_complex or of_b.is_complex:
            chunks.append(PieceComparison(*compare_complex((part_a, part_b), dtypes, tolerance, width, work, ratio)))
        else:
            pair = numbers(part_a, of_a, work.numbers_a, work), numbers(part_b, of_b, work.numbers_b, work)
            found, apart = difference(pair[0], _times(pair[1], ratio, work), tolerance, work)
            chunk = _compare_chunk(found, pair, dtypes, width, work)
            if chunk.products is not None:
                narrow = ratio == 1 and max(of_a.itemsize, of_b.itemsize) < 8
                squares, _ = block_squares(apart.reshape(-1, width), of_a if narrow else FLOAT64, work)
                chunk = chunk._replace(distance=squares)
            chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else _concatenate_chunks(chunks)


def merge(
    chunks: Sequence[PieceComparison], dtypes: tuple[DType, DType], scales: tuple[float, float] = (1.0, 1.0)
) -> Comparison:
    """Merge the pieces of two tensors of these dtypes and loss scales, given in any order."""
    floats = [dtype.is_gradient for dtype in dtypes]
    found = merge_differences(chunk.difference for chunk in chunks)
    return Comparison(
        found._replace(max_abs=found.max_abs / scales[0]),
        l2_norm([chunk.a for chunk in chunks if chunk.a is not None], scales[0]) if floats[0] else None,
        l2_norm([chunk.b for chunk in chunks if chunk.b is not None], scales[1]) if floats[1] else None,
        dot_product([chunk.products for chunk in chunks if chunk.products is not None]) if all(floats) else None,
        l2_norm([chunk.distance for chunk in chunks if chunk.distance is not None], scales[0]) if all(floats) else None,
    )


def together(parts: Sequence[Comparison]) -> Comparison:
    """Put the comparisons of several tensors, or of pieces of one, together as if they were one vector.

    A norm is None unless all parts have it, and so are the product and the distance.
    """
    a, b = [one.a for one in parts if one.a is not None], [one.b for one in parts if one.b is not None]
    dots = [one.product for one in parts if one.product is not None]
    apart = [one.distance for one in parts if one.distance is not None]
    return Comparison(
        merge_differences(one.difference for one in parts),
        total_norm(a) if len(a) == len(parts) else None,
        total_norm(b) if len(b) == len(parts) else None,
        total(dots, 1.0) if len(dots) == len(parts) else None,
        total_norm(apart) if len(apart) == len(parts) else None,
    )


def _times(other: Numbers, ratio: float, work: Workspace) -> Numbers:
    """Multiply elements, of which those of whole numbers stay as they are: their tensors have the loss scale 1."""
    if ratio == 1:
        return other
    with np.errstate(all="ignore"):
        scaled = np.multiply(other.values, ratio, out=work.rescaled.take(other.values.size, np.float64))
    return other._replace(values=scaled)


def _are_identical(a: Raw, b: Raw) -> bool:
    # What differs mostly does so in its first bytes.
    return np.array_equal(a[:_FIRST], b[:_FIRST]) and np.array_equal(a, b)


def _compare_identical(raw: Raw, dtype: DType, width: int, work: Workspace) -> PieceComparison:
    """Compare elements that are identical bit for bit: measure them once."""
    if dtype.is_complex:
        return PieceComparison(*compare_identical(raw, dtype, width, work))
    if not dtype.is_float:
        return PieceComparison(Difference(max_rel=0.0 if raw.any() else None))
    found, _ = block_squares(numbers(raw, dtype, work.numbers_a, work).values.reshape(-1, width), dtype, work)
    some = found.nan or found.infinite or bool(found.sums.values.any())
    exponents, values = found.sums
    none = BlockSquares(BlockSums(np.zeros_like(exponents), np.zeros_like(values)))
    return PieceComparison(
        Difference(max_rel=0.0 if some else None), found, found, BlockSums(2 * exponents, values), none
    )


def _compare_chunk(
    found: Difference, pair: tuple[Numbers, Numbers], dtypes: tuple[DType, DType], width: int, work: Workspace
) -> PieceComparison:
    measured = [
        block_squares(side.values.reshape(-1, width), dtype, work) if dtype.is_float else None
        for side, dtype in zip(pair, dtypes, strict=True)
    ]
    a, b = measured
    dot = block_products(a[1], b[1], a[0], b[0], work) if a is not None and b is not None else None
    return PieceComparison(found, a and a[0], b and b[0], dot)


def _concatenate_chunks(chunks: Sequence[PieceComparison]) -> PieceComparison:
    """Make one comparison of those of consecutive chunks."""
    squares_a = _concatenate_squares([chunk.a for chunk in chunks])
    squares_b = _concatenate_squares([chunk.b for chunk in chunks])
    distance = _concatenate_squares([chunk.distance for chunk in chunks])
    dots = [chunk.products for chunk in chunks if chunk.products is not None]
    found = merge_differences(chunk.difference for chunk in chunks)
    return PieceComparison(found, squares_a, squares_b, concatenate(dots) if dots else None, distance)


def _concatenate_squares(parts: Sequence[BlockSquares | None]) -> BlockSquares | None:
    known = [part for part in parts if part is not None]
    if not known:
        return None
    sums = concatenate([part.sums for part in known])
    return BlockSquares(sums, any(part.nan for part in known), any(part.infinite for part in known))


def _split(size: int) -> Iterator[tuple[int, int, int]]:
    """Yield the start and stop of each chunk, in elements, and the width of its rows: a block, or the rest at the end."""
    full = size - size % BLOCK
    for start in range(0, full, _CHUNK):
        yield start, min(start + _CHUNK, full), BLOCK
    if full < size:
        yield full, size, size - full
