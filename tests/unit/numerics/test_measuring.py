"""Statistics do not depend on how a tensor is cut, and agree with exact sums."""

import math
import random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.matrices import crossed
from support.tensors import ORACLES, exact_norm, gradients, raw_of, stats_of

from gradclip_cli.engine.measure import NormTypes
from gradclip_cli.numerics import dtypes, norms
from gradclip_cli.numerics.chunks import CHUNK
from gradclip_cli.numerics.dtypes import DType, Raw
from gradclip_cli.numerics.measuring import measure_alike, measure_piece, measure_small
from gradclip_cli.numerics.norms import BLOCK
from gradclip_cli.numerics.statistics import TensorStats, merge
from gradclip_cli.numerics.statistics_table import StatsTable
from gradclip_cli.numerics.workspace import Workspace

WORK = Workspace()

TYPES = (0.5, 1.0, 2.0, 3.0, math.inf)
every = pytest.mark.parametrize("dtype", dtypes.FLOATS, ids=lambda dtype: dtype.name)


def small(raw: Raw, dtype: DType, sizes: list[int], types: NormTypes) -> list[TensorStats]:
    """Measure tensors that lie side by side."""
    return list(StatsTable(range(len(sizes)), measure_small(raw, dtype, sizes, types, WORK)).values())


@every
def test_the_norm_is_exact(dtype: DType) -> None:
    """The L2 norm of every dtype is within 1e-12 of the exact sum of squares."""
    values = gradients(20_001, dtype.name, scale=1e-2)
    exact = exact_norm(values.astype(np.float64).tolist(), 2.0)
    (scaled,) = stats_of(values, dtype).sums
    assert norms.norm(scaled, 2.0) == pytest.approx(exact, rel=1e-12, abs=0)


def test_float16_squares_do_not_overflow() -> None:
    """Float16 values above 256, whose squares float16 cannot hold, have a finite norm."""
    (scaled,) = stats_of(np.full(1000, 60000, np.float16), dtypes.FLOAT16).sums
    assert norms.norm(scaled, 2.0) == pytest.approx(60000 * math.sqrt(1000), rel=1e-15)


@pytest.mark.parametrize("scale", [1e200, 1e-200, 1e-310])
def test_float64_at_the_ends_of_its_range(scale: float) -> None:
    """Float64 values whose squares leave the range, subnormals too, have an exact norm."""
    values = gradients(2 * BLOCK + 5, "float64", scale=scale)
    (scaled,) = stats_of(values, dtypes.FLOAT64).sums
    assert norms.norm(scaled, 2.0) == pytest.approx(exact_norm(values.tolist(), 2.0), rel=1e-12, abs=0)


@pytest.mark.parametrize("value", [1e-45, 3e38])
def test_float32_at_the_ends_of_its_range(value: float) -> None:
    """Float32 subnormals and its largest numbers have an exact norm."""
    values = np.full(BLOCK + 1, value, np.float32)
    (scaled,) = stats_of(values, dtypes.FLOAT32).sums
    assert norms.norm(scaled, 2.0) == pytest.approx(exact_norm(values.tolist(), 2.0), rel=1e-12, abs=0)


@pytest.mark.parametrize("dtype", [dtypes.FLOAT64, dtypes.FLOAT32, dtypes.BFLOAT16], ids=lambda dtype: dtype.name)
@pytest.mark.parametrize("blocks", [1, 2, 3, 100])
def test_the_size_and_order_of_pieces_change_no_bit(dtype: DType, blocks: int) -> None:
    """Pieces of any whole number of blocks, joined in any order, give the same bits as one piece."""
    raw = raw_of(gradients(6 * BLOCK + 123, dtype.name, seed=5))
    step = blocks * BLOCK * dtype.itemsize
    pieces = [measure_piece(raw[at : at + step], dtype, TYPES, WORK) for at in range(0, raw.size, step)]
    random.Random(blocks).shuffle(pieces)
    assert merge(pieces, TYPES) == merge([measure_piece(raw, dtype, TYPES, WORK)], TYPES)


@every
def test_small_tensors_together_are_as_alone(dtype: DType) -> None:
    """Tensors measured side by side, of equal and other sizes, have the same bits as each alone."""
    sizes = [7, 7, 7, 0, 1, 1, 100, 100, BLOCK, 3, 0, 0, 33]
    raw = raw_of(gradients(sum(sizes), dtype.name, seed=6))
    alone, at = [], 0
    for size in sizes:
        alone.append(merge([measure_piece(raw[at : at + size * dtype.itemsize], dtype, TYPES, WORK)], TYPES))
        at += size * dtype.itemsize
    assert small(raw, dtype, sizes, TYPES) == alone


@pytest.mark.parametrize("dtype", [dtypes.BYTES, dtypes.from_numpy(np.dtype(bool)), dtypes.FLOAT6_E2M3FN])
def test_what_is_copied_is_not_measured(dtype: DType) -> None:
    """Small tensors that cannot be gradients have rows of zeros: they are only written with their neighbours."""
    raw = np.ones(5 * dtype.itemsize, np.uint8)
    assert not any(array.any() for array in measure_small(raw, dtype, [2, 3], (1.0, 2.0), WORK))


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_small_tensors_that_are_scaled_are_as_alone(scale: float) -> None:
    """A tensor beside one of a far larger magnitude keeps the bits that it has alone."""
    rows = gradients(40, "float64").reshape(4, 10) * np.array([[1.0], [scale], [0.0], [1.0]])
    found = small(raw_of(rows), dtypes.FLOAT64, [10] * 4, TYPES)
    assert found == [stats_of(row, dtypes.FLOAT64, TYPES) for row in rows]


@every
def test_nonfinite_elements_are_counted_and_left_out(dtype: DType) -> None:
    """NaN, +Inf and -Inf are counted apart; zeros, the largest |g| and the norm are over the finite ones."""
    infinite = not dtype.variant
    values = np.array([3, np.nan, -4, 0, -0.0, *([np.inf, -np.inf, -np.inf] if infinite else [])]).astype(
        ORACLES[dtype.name]
    )
    found = stats_of(values, dtype)
    assert (found.elements, found.zeros, found.nan, found.posinf, found.neginf) == (
        values.size,
        2,
        1,
        *((1, 2) if infinite else (0, 0)),
    )
    assert (found.max_abs, norms.norm(found.sums[0], 2.0)) == (4, 5)


def test_nonfinite_small_tensors_side_by_side() -> None:
    """A NaN in one of several small tensors leaves the statistics of its neighbours alone."""
    rows = np.array([[1, 2], [np.nan, 2], [np.inf, -np.inf]], np.float32)
    found = small(raw_of(rows), dtypes.FLOAT32, [2, 2, 2], (2.0,))
    assert [(s.nan, s.posinf, s.neginf, s.max_abs) for s in found] == [(0, 0, 0, 2), (1, 0, 0, 2), (0, 1, 1, 0)]


@pytest.mark.parametrize(("code", "bits"), [("u4", 0x7F800001), ("u4", 0xFFC01234), ("u8", 0x7FF0000000000001)])
def test_signalling_nan_is_counted_without_a_warning(code: str, bits: int) -> None:
    """A NaN of any payload is a NaN and nothing else."""
    raw = raw_of(np.array([bits, 0], code))
    found = merge([measure_piece(raw, dtypes.FLOAT32 if code == "u4" else dtypes.FLOAT64, (2.0,), WORK)], (2.0,))
    assert (found.nan, found.zeros, found.nonfinite) == (1, 1, 1)


def test_max_abs_counts_negative_numbers() -> None:
    """The largest |g| may be negative."""
    assert stats_of(np.array([-7, 3], np.float32), dtypes.FLOAT32).max_abs == 7


@pytest.mark.parametrize("code", ["float16", "float32", ">f4", "float64"])
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_the_largest_of_zeros_has_no_sign(code: str, zero: float) -> None:
    """Where all is -0 the largest |g| is 0 all the same, in one tensor as in several side by side."""
    values = np.full(4, zero, code)
    dtype = dtypes.from_numpy(values.dtype)
    found = [stats_of(values, dtype), *small(raw_of(values), dtype, [2, 2], (2.0, math.inf))]
    assert {repr(one.max_abs) for one in found} == {"0.0"}


@every
def test_rows_that_are_not_finite_are_measured_apart(dtype: DType) -> None:
    """Among many small tensors of one size, those with NaN or infinities have their own statistics, and the others theirs."""
    values = gradients(60, dtype.name, seed=3).reshape(20, 3)
    values[4, 1], values[7, 0], values[19] = np.nan, -np.inf, np.nan
    found = small(raw_of(values), dtype, [3] * 20, TYPES)
    assert found == [small(raw_of(row), dtype, [3], TYPES)[0] for row in values]
    assert [one.nonfinite for one in found] == [0] * 4 + [1, 0, 0, 1] + [0] * 11 + [3]
    assert small(raw_of(values[:0]), dtype, [0, 0], TYPES) == [stats_of(values[:0].reshape(-1), dtype, TYPES)] * 2


@pytest.mark.parametrize("dtype", [dtypes.FLOAT8_E4M3FNUZ, dtypes.FLOAT8_E5M2FNUZ], ids=lambda dtype: dtype.name)
def test_the_nan_of_fnuz_is_no_zero(dtype: DType) -> None:
    """The word that is -0 elsewhere is counted as NaN, in one tensor as in several side by side."""
    raw = np.array([0x00, 0x80, 0x00, 0x80], np.uint8)
    one = merge([measure_piece(raw, dtype, (2.0,), WORK)], (2.0,))
    assert (one.zeros, one.nan, one.nonfinite, one.max_abs) == (2, 2, 2, 0.0)
    assert [(each.zeros, each.nan) for each in small(raw, dtype, [1, 1, 2], (2.0,))] == [(1, 0), (0, 1), (1, 1)]


def mixed(size: int, dtype: DType, nonfinite: bool) -> NDArray[Any]:
    """Return numbers with zeros of either sign, tiny ones, and NaN and infinities at the bounds of chunks if wanted."""
    values = np.random.default_rng(size).standard_normal(size)
    values[::7], values[3::11], values[5::13] = 0.0, -0.0, values[5::13] * 1e-40
    if nonfinite:
        values[[0, size - 1]], values[size // 2], values[size // 3] = np.nan, np.inf, -np.inf
        values[CHUNK - 1 : CHUNK + 1] = -np.inf
    found: NDArray[Any] = values.astype(ORACLES[dtype.name])
    return found


@pytest.mark.parametrize(
    ("dtype", "nonfinite"),
    crossed([*dtypes.FLOATS, *(dtypes.swapped(one) for one in dtypes.FLOATS if one.itemsize > 1)], [False, True]),
)
@pytest.mark.parametrize("size", [1, BLOCK - 1, BLOCK, CHUNK - 1, CHUNK, CHUNK + 1, 4 * CHUNK])
def test_chunks_leave_nothing_out(size: int, dtype: DType, nonfinite: bool) -> None:
    """Counts, the largest |x| and the sums of all blocks are those of plain float64, wherever a chunk ends."""
    values = mixed(size, dtype, nonfinite)
    exact = values.astype(np.float64)
    usual = np.isfinite(exact)
    sizes = np.where(usual, np.abs(exact), 0.0)
    blocks = [sizes[at : at + BLOCK] for at in range(0, size, BLOCK)]
    raw = raw_of(values.view(f"u{dtype.itemsize}").byteswap() if dtype.swapped else values)
    kinds = exact == 0, np.isnan(exact), exact == np.inf, exact == -np.inf
    expected = [np.add.reduce(block * block) for block in blocks]
    for types in ((2.0,), (1.0, 2.0, 3.0, math.inf)):
        found = measure_piece(raw, dtype, types, WORK)
        assert found.counts == (size, *(np.count_nonzero(kind) for kind in kinds))
        assert found.max_abs == sizes.max()
        np.testing.assert_array_equal(found.sums[types.index(2.0)], expected)
    np.testing.assert_array_equal(found.sums[0], [np.add.reduce(block) for block in blocks])
    np.testing.assert_array_equal(found.sums[3], [block.max() for block in blocks])
    cubes = found.sums[2] * 8.0 ** found.exponents[2]
    np.testing.assert_allclose(cubes, [math.fsum((block**3).tolist()) for block in blocks], rtol=1e-12)


@every
def test_dumps_of_the_same_sizes_are_measured_at_once(dtype: DType) -> None:
    """Each has the bits that it has alone, with NaN in one of them and empty tensors among the others; and its totals."""
    sizes = [7, 7, 0, 7, 1, 300]
    runs = [gradients(sum(sizes), dtype.name, seed=seed) for seed in range(4)]
    runs[2][9] = np.nan
    found = measure_alike(np.array([raw_of(run) for run in runs]), dtype, sizes, TYPES, WORK)
    for run, (block, overall) in zip(runs, found, strict=True):
        alone = measure_small(raw_of(run), dtype, sizes, TYPES, WORK)
        assert (block.ints.tolist(), block.floats.tolist()) == (alone.ints.tolist(), alone.floats.tolist())
        values = run.astype(np.float64)
        assert list(overall.counts) == [values.size, np.sum(values == 0), np.sum(np.isnan(values)), 0, 0]
        assert overall.max_abs == np.nanmax(np.abs(values))
