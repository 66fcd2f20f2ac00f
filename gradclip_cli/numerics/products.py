"""Compute the norms of two tensors, their ratio and their cosine from squares and products summed over fixed blocks."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.numerics import norms
from gradclip_cli.numerics.dtypes import DType
from gradclip_cli.numerics.norms import ScaledSum
from gradclip_cli.numerics.sums import sum_products
from gradclip_cli.numerics.workspace import Workspace

Rows = NDArray[np.float64]


class BlockSums(NamedTuple):
    """The sums of blocks, values · 2^exponents, or values · 2^(2·exponents) for squares; both arrays are of shape (blocks,)."""

    exponents: NDArray[np.int64]
    values: Rows


class BlockSquares(NamedTuple):
    """The sums of squares of the finite elements of consecutive blocks; whether any element is NaN or infinite."""

    sums: BlockSums
    nan: bool = False
    infinite: bool = False


class L2Norm(NamedTuple):
    """The sum of squares of the finite elements of a tensor as stored; whether any element is NaN or infinite.

    The norm is divided by `scale`, the loss scale of the elements.
    """

    square: ScaledSum
    nan: bool = False
    infinite: bool = False
    scale: float = 1.0

    @property
    def finite(self) -> bool:
        """Whether all elements are finite."""
        return not (self.nan or self.infinite)

    @property
    def norm(self) -> float:
        """The L2 norm: `nan` if an element is NaN, else `inf` if one is infinite."""
        return math.nan if self.nan else math.inf if self.infinite else norms.norm(self.square, 2.0, self.scale)


def block_squares(rows: Rows, dtype: DType, work: Workspace) -> tuple[BlockSquares, Rows]:
    """Return the sums of squares of each row, and the rows with zeros in place of NaN and infinities."""
    if dtype.itemsize < 8:  # the sum of the squares is in the range of float64, whatever the elements
        sums = BlockSums(np.zeros(len(rows), np.int64), sum_products(rows, rows, work))
        finite = np.isfinite(sums.values).all()
    else:
        peaks = np.maximum(rows.max(axis=1, initial=0), -rows.min(axis=1, initial=0))
        if finite := np.isfinite(peaks).all():
            sums = BlockSums(*norms.block_sums(rows, 2.0, peaks, work))
    if finite:
        return BlockSquares(sums), rows
    clean = np.where(np.isfinite(rows), rows, 0.0)
    found, _ = block_squares(clean, dtype, work)
    return BlockSquares(found.sums, bool(np.isnan(rows).any()), bool(np.isinf(rows).any())), clean


def block_products(a: Rows, b: Rows, squares_a: BlockSquares, squares_b: BlockSquares, work: Workspace) -> BlockSums:
    """Return Σa·b of each row, scaled by the powers of two of the squares of both rows."""
    exponents = squares_a.sums.exponents, squares_b.sums.exponents
    a, b = (
        np.ldexp(rows, -scale[:, None]) if scale.any() else rows for rows, scale in zip((a, b), exponents, strict=True)
    )
    return BlockSums(exponents[0] + exponents[1], sum_products(a, b, work))


def concatenate(parts: Sequence[BlockSums]) -> BlockSums:
    """Concatenate the sums of consecutive pieces: one array takes less memory than many small ones."""
    return BlockSums(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def l2_norm(parts: Sequence[BlockSquares], scale: float = 1.0) -> L2Norm:
    """Return the L2 norm of a tensor from the squares of its pieces, given in any order, and its loss scale."""
    square, nan = _total([part.sums for part in parts], 2.0), any(part.nan for part in parts)
    return L2Norm(square, nan, any(part.infinite for part in parts), scale)


def dot_product(parts: Sequence[BlockSums]) -> ScaledSum:
    """Return Σa·b = value · 2^exponent of two tensors from the products of their pieces, given in any order."""
    return _total(parts, 1.0)


def total(norms_of_tensors: Sequence[L2Norm]) -> L2Norm:
    """Return the norm of several tensors of one loss scale as one vector."""
    square = norms.total((one.square for one in norms_of_tensors), 2.0)
    nan, infinite = any(one.nan for one in norms_of_tensors), any(one.infinite for one in norms_of_tensors)
    return L2Norm(square, nan, infinite, norms_of_tensors[0].scale if norms_of_tensors else 1.0)


def ratio(a: L2Norm, b: L2Norm) -> float | None:
    """Return |b| / |a|; None if a is zero, or if either is not finite."""
    if not (a.finite and b.finite and a.square[1]):
        return None
    try:
        stored = math.ldexp(math.sqrt(b.square[1]) / math.sqrt(a.square[1]), b.square[0] - a.square[0])
    except OverflowError:
        return math.inf
    return stored * (a.scale / b.scale)


def cosine(a: L2Norm, b: L2Norm, product: ScaledSum) -> float | None:
    """Return Σa·b / (|a|·|b|), between -1 and 1; None if a or b is zero or not finite.

    |a|·|b| is the root of the product of both squares, scaled to lie near 1, so that the cosine of a tensor and itself is 1.
    """
    if not (a.finite and b.finite and a.square[1] and b.square[1]):
        return None
    (mantissa_a, exponent_a), (mantissa_b, exponent_b) = math.frexp(a.square[1]), math.frexp(b.square[1])
    odd = (exponent_a + exponent_b) % 2
    root = math.sqrt(math.ldexp(mantissa_a, odd) * mantissa_b)
    exponent = (exponent_a + exponent_b - odd) // 2 + a.square[0] + b.square[0]
    mantissa, exponent_ab = math.frexp(product[1])
    return max(-1.0, min(1.0, math.ldexp(mantissa / root, exponent_ab + product[0] - exponent)))


def _total(parts: Sequence[BlockSums], p: float) -> ScaledSum:
    return norms.total_blocks([part.exponents for part in parts], [part.values for part in parts], p)
