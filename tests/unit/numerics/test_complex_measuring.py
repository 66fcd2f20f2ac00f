"""Statistics of complex tensors are those of their moduli, and do not depend on how a tensor is cut."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.tensors import exact_norm, raw_of, stats_of

from gradclip_cli.numerics import norms
from gradclip_cli.numerics.complex_measuring import measure_complex_piece, measure_complex_rows
from gradclip_cli.numerics.dtypes import COMPLEX64, COMPLEX128, DType, from_numpy
from gradclip_cli.numerics.measuring import measure_small
from gradclip_cli.numerics.norms import BLOCK, ClippedSum, SumKinds
from gradclip_cli.numerics.statistics import merge
from gradclip_cli.numerics.statistics_table import StatsTable
from gradclip_cli.numerics.workspace import Workspace

WORK = Workspace()
NAN, INF = math.nan, math.inf
TYPES: SumKinds = (0.5, 1.0, 2.0, 3.0, INF, ClippedSum(0.5, squared=False), ClippedSum(0.5, squared=True))
both = pytest.mark.parametrize("dtype", [COMPLEX64, COMPLEX128], ids=lambda dtype: dtype.name)


def numbers(count: int, dtype: DType, size: float = 1.0) -> NDArray[Any]:
    """Return complex numbers, one in ten of them 0."""
    rng = np.random.default_rng(count)
    found = size * (rng.standard_normal(count) + 1j * rng.standard_normal(count))
    return np.asarray(np.where(rng.random(count) < 0.1, 0, found)).astype(dtype.name)


@both
@pytest.mark.parametrize("p", [0.5, 1.0, 2.0, 3.0, INF])
def test_norms_are_those_of_moduli(dtype: DType, p: float) -> None:
    """Every norm is within 1e-12 of the exact one of the moduli, for P of 1, 2 and inf; else within 1e-10."""
    values = numbers(8_201, dtype)
    stats = stats_of(values, dtype, (p,))
    moduli = np.abs(values.astype(np.complex128))
    assert norms.norm(stats.sums[0], p) == pytest.approx(
        exact_norm(moduli.tolist(), p), rel=1e-12 if p in (1, 2, INF) else 1e-10
    )
    assert stats.max_abs == pytest.approx(moduli.max(), rel=2.0**-52)
    assert (stats.elements, stats.zeros, stats.nonfinite) == (8_201, np.count_nonzero(values == 0), 0)


@both
def test_a_block_of_squares_is_the_pairwise_sum_of_elements(dtype: DType) -> None:
    """A block has 8,192 elements, not parts, and its sum is numpy's own of re·re + im·im."""
    values = numbers(2 * BLOCK + 5, dtype)
    real, imaginary = values.real.astype(np.float64), values.imag.astype(np.float64)
    squares = real * real + imaginary * imaginary
    piece = measure_complex_piece(raw_of(values), dtype, (2.0,), WORK)
    expected = [float(np.add.reduce(squares[k : k + BLOCK])) for k in (0, BLOCK, 2 * BLOCK)]
    assert piece.sums[0].tolist() == expected


@both
def test_limited_elements(dtype: DType) -> None:
    """Sums for trials are over moduli limited to c."""
    values = numbers(9000, dtype)
    moduli = np.abs(values.astype(np.complex128))
    limited = np.minimum(moduli, 0.5)
    dot, square = stats_of(values, dtype, TYPES).sums[-2:]
    assert (dot[0], square[0]) == (0, 0)
    assert dot[1] == pytest.approx(math.fsum(moduli * limited), rel=1e-12)
    assert square[1] == pytest.approx(math.fsum(limited * limited), rel=1e-12)


@both
@pytest.mark.parametrize("size", [1.0, 1e-30])
def test_pieces_change_no_bit(dtype: DType, size: float) -> None:
    """However a tensor is cut between blocks, and in whatever order pieces come, all figures are the same."""
    values = numbers(6 * BLOCK + 77, dtype, size)
    whole = stats_of(values, dtype, TYPES)
    for step in (1, 2, 5):
        cuts = [values[start : start + step * BLOCK] for start in range(0, values.size, step * BLOCK)]
        pieces = [measure_complex_piece(raw_of(cut), dtype, TYPES, WORK) for cut in reversed(cuts)]
        assert merge(pieces, TYPES) == whole


@both
@pytest.mark.parametrize("scale", [1.0, 1e200])
def test_small_tensors_are_measured_as_if_alone(dtype: DType, scale: float) -> None:
    """Neighbours do not change a bit, whatever their sizes, and whether or not they are finite."""
    scale = scale if dtype == COMPLEX128 else 1.0
    tensors = [numbers(size, dtype, scale ** (k % 2)) for k, size in enumerate((3, 3, 3, 0, 1, 700, 700, BLOCK, 5))]
    tensors[1][1] = complex(NAN, INF)
    raw, sizes = raw_of(np.concatenate(tensors)), [len(one) for one in tensors]
    table = StatsTable(range(len(sizes)), measure_small(raw, dtype, sizes, TYPES, WORK))
    assert list(table.values()) == [stats_of(one, dtype, TYPES) for one in tensors]


@both
def test_many_small_rows(dtype: DType) -> None:
    """More rows than are worked on at once are measured as each alone."""
    values = numbers(70_000, dtype)
    rows = measure_complex_rows(raw_of(values), dtype, 10_000, 7, (2.0, 1.0), WORK)
    table = StatsTable(range(10_000), rows)
    assert all(table[k] == stats_of(values[7 * k : 7 * k + 7], dtype, (2.0, 1.0)) for k in (0, 1, 4680, 4681, 9999))


@both
def test_what_is_not_finite_counts_once(dtype: DType) -> None:
    """An element counts once, as infinite before NaN; sums and the largest are over the others, zeros are those read."""
    values = np.array(
        [complex(NAN, 0), complex(INF, NAN), complex(-INF, INF), complex(0, NAN), 3 + 4j, 0, 0], dtype.name
    )
    stats = stats_of(values, dtype)
    assert stats[:5] == (7, 2, 2, 2, 0)
    assert (stats.max_abs, stats.sums) == (5.0, ((0, 25.0),))
    assert math.isnan(stats.as_read(5.0))


@pytest.mark.parametrize("p", [1.0, 2.0, INF])
def test_the_largest_numbers(p: float) -> None:
    """Squares of the largest float64 overflow, their norm does not; a modulus that no float64 holds is infinite."""
    stats = stats_of(np.array([1e308, 1e308j]), COMPLEX128, (p,))
    assert norms.norm(stats.sums[0], p) == pytest.approx({1.0: math.inf, 2.0: math.sqrt(2) * 1e308, INF: 1e308}[p])
    assert stats_of(np.array([1.5e308 + 1.5e308j]), COMPLEX128, (p,)).max_abs == INF


@pytest.mark.parametrize("code", [">c8", ">c16"])
def test_bytes_in_the_other_order(code: str) -> None:
    """Big-endian numbers have the figures of the same numbers in this machine's order."""
    values = numbers(9001, from_numpy(np.dtype(code[1:])))
    piece = measure_complex_piece(raw_of(values.astype(code)), from_numpy(np.dtype(code)), TYPES, WORK)
    assert merge([piece], TYPES) == stats_of(values, from_numpy(values.dtype), TYPES)


@both
def test_an_empty_tensor(dtype: DType) -> None:
    """A tensor without elements has the norm 0."""
    assert stats_of(np.zeros(0, dtype.name), dtype) == (0, 0, 0, 0, 0, 0.0, ((0, 0.0),), 1.0)
