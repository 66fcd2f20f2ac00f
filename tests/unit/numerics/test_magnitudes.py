"""Counts by exponent are those of numpy's frexp, for every word of narrow dtypes and for odd numbers of wide ones."""

import numpy as np
import pytest
from numpy.typing import NDArray

from gradclip_cli.numerics.dtypes import COMPLEX64, COMPLEX128, FLOAT32, FLOAT64, FLOATS, DType, swapped, to_float64
from gradclip_cli.numerics.magnitudes import MagnitudeCounts, magnitude_counts
from gradclip_cli.numerics.workspace import Workspace

WORK = Workspace()


def plain(values: NDArray[np.float64]) -> tuple[int, int, dict[int, int]]:
    """Count magnitudes by frexp: zeros, what is not finite, and the others by exponent."""
    finite = values[np.isfinite(values)]
    exponents = np.frexp(finite[finite > 0])[1] - 1
    counts = dict(zip(*(part.tolist() for part in np.unique(exponents, return_counts=True)), strict=True))
    return int((finite == 0).sum()), int(values.size - finite.size), counts


def as_plain(found: MagnitudeCounts, row: int = 0) -> tuple[int, int, dict[int, int]]:
    """Return the counts of a row in the same way."""
    counts = {found.least + k: n for k, n in enumerate(found.exponents[row].tolist()) if n}
    return int(found.zeros[row]), int(found.nonfinite[row]), counts


def elements(dtype: DType) -> NDArray[np.uint8]:
    """Every word of a narrow dtype; of a wide one random words, numbers of all sizes, powers of two and what is special."""
    if dtype.narrow:
        return np.arange(1 << 8 * dtype.itemsize, dtype=f"u{dtype.itemsize}").view(np.uint8)
    rng, kind = np.random.default_rng(1), np.dtype(dtype.part.name)
    words = rng.integers(0, 1 << (8 * kind.itemsize - 1), 200_000, f"u{kind.itemsize}").view(kind)
    tiny = np.finfo(kind).smallest_subnormal
    special = np.array(
        [0, -0.0, np.nan, np.inf, -np.inf, tiny, -3 * tiny, np.finfo(kind).tiny, 1, 2, -2, np.finfo(kind).max], kind
    )
    return np.concatenate([words, special, rng.standard_normal(99_988).astype(kind)]).view(np.uint8)


def numbers(raw: NDArray[np.uint8], dtype: DType) -> NDArray[np.float64]:
    """The magnitudes of stored elements."""
    if dtype.is_complex:
        with np.errstate(all="ignore"):
            pairs = raw.view(dtype.name)
            return np.abs(pairs.astype(np.complex128))
    return np.abs(to_float64(raw.view(f"u{dtype.itemsize}"), dtype))


@pytest.mark.parametrize("scale", [1.0, 65536.0, 0.25, 3.0])
@pytest.mark.parametrize("dtype", FLOATS, ids=lambda dtype: dtype.name)
def test_every_real_dtype(dtype: DType, scale: float) -> None:
    """Numbers count by the exponent that they have after they are divided by the loss scale."""
    raw = elements(dtype)
    with np.errstate(all="ignore"):
        values = numbers(raw, dtype)
        if scale != 1 and dtype is FLOAT64:  # what underflows in float64 is no zero here
            raw = raw.view(np.float64)[~(values < 1e-300) & (values < 1e300)].view(np.uint8)
            values = numbers(raw, dtype)
        expected = plain(values / scale)
    size = raw.size // dtype.itemsize
    assert as_plain(magnitude_counts(raw, dtype, [size], scale, WORK)) == expected
    if dtype.itemsize > 1:
        other = raw.view(f"u{dtype.itemsize}").byteswap().view(np.uint8)
        assert as_plain(magnitude_counts(other, swapped(dtype), [size], scale, WORK)) == expected


@pytest.mark.parametrize("dtype", [COMPLEX64, COMPLEX128], ids=lambda dtype: dtype.name)
def test_complex_numbers_count_by_their_moduli(dtype: DType) -> None:
    """A modulus is √(re² + im²); infinite where a part is, and no less finite where only float64 is too small."""
    raw = np.array([3 + 4j, 0, 1e-30j, np.inf, complex(np.nan, 1), complex(np.nan, np.inf)], dtype.name)
    found = magnitude_counts(raw.view(np.uint8), dtype, [6], 1.0, WORK)
    assert as_plain(found) == (1, 3, {2: 1, -100: 1})
    rng = np.random.default_rng(2)
    raw = (rng.standard_normal(9000) + 1j * rng.standard_normal(9000)).astype(dtype.name)
    assert as_plain(magnitude_counts(raw.view(np.uint8), dtype, [9000], 3.0, WORK)) == plain(
        np.abs(raw.astype(np.complex128)) / 3
    )


def test_rows_count_for_themselves() -> None:
    """Each of several adjacent tensors has its own row, whatever their sizes, empty ones too."""
    rng = np.random.default_rng(3)
    sizes = [0, 5, 1, 8000, 3, 0, *[2] * 3000, 70_000]
    values = rng.standard_normal(sum(sizes)).astype(np.float32) * np.float32(1e-38)
    found = magnitude_counts(values.view(np.uint8), FLOAT32, sizes, 1.0, WORK)
    stops = np.cumsum(sizes)
    for row in (0, 1, 2, 3, 4, 5, 6, 3005, 3006):
        own = values[stops[row] - sizes[row] : stops[row]]
        assert as_plain(found, row) == plain(np.abs(own.astype(np.float64))), row
    assert found.counts.sum() == values.size


def test_counts_are_added() -> None:
    """Counts over other exponents are added column by column, to the rows that are named."""
    one = MagnitudeCounts(-3, np.array([[1, 0, 5, 6]]))
    total = MagnitudeCounts.none(1).grown(2).added([1], one).added([0], MagnitudeCounts(1, np.array([[0, 2, 7]])))
    assert (total.least, total.counts.tolist()) == (-3, [[0, 2, 0, 0, 0, 0, 7], [1, 0, 5, 6, 0, 0, 0]])
    assert total.added([0, 1], MagnitudeCounts.none(2)).counts.tolist() == total.counts.tolist()
    assert MagnitudeCounts(4, np.array([[1, 1, 0, 0, 2, 0]])).trimmed()[0] == 6
