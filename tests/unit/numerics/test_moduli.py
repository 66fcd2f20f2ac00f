"""Moduli are those of exact arithmetic, from subnormal numbers to the largest, and the same bits alone or among others."""

import math
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.tensors import raw_of

from gradclip_cli.numerics import moduli
from gradclip_cli.numerics.dtypes import COMPLEX64, COMPLEX128, DType, from_numpy
from gradclip_cli.numerics.moduli import Parts
from gradclip_cli.numerics.workspace import Buffer, Workspace

WORK = Workspace()
NAN, INF = math.nan, math.inf
both = pytest.mark.parametrize("dtype", [COMPLEX64, COMPLEX128], ids=lambda dtype: dtype.name)


def parts_of(values: NDArray[Any]) -> Parts:
    """Decode an array of complex numbers."""
    return moduli.parts_of(raw_of(values), from_numpy(values.dtype), Buffer(), Buffer(), WORK)


def steep(count: int, dtype: DType) -> NDArray[Any]:
    """Return complex numbers whose parts are any that a dtype has, but for the very largest."""
    rng, info = np.random.default_rng(1), np.finfo(dtype.part.name)
    powers = rng.uniform(int(info.minexp) - int(info.nmant), int(info.maxexp) - 1, (2, count))
    real, imaginary = np.exp2(powers) * rng.choice([-1.0, 0.0, 1.0], (2, count))
    return np.asarray(real + 1j * imaginary).astype(dtype.name)


def exact(values: NDArray[Any]) -> list[float]:
    """Return moduli to 60 digits, rounded once."""
    with localcontext() as context:
        context.prec = 60
        return [float((Decimal(z.real) ** 2 + Decimal(z.imag) ** 2).sqrt()) for z in values.astype(complex).tolist()]


@both
def test_moduli_are_exact(dtype: DType) -> None:
    """Every modulus is within two roundings of the exact one; a subnormal one within its last bit."""
    values = steep(3000, dtype)
    np.testing.assert_allclose(moduli.moduli(parts_of(values), WORK), exact(values), rtol=2.0**-52, atol=5e-324)


@both
def test_a_modulus_does_not_depend_on_its_neighbours(dtype: DType) -> None:
    """The same element has the same modulus alone as among others that must be scaled."""
    values = steep(500, dtype)
    found = moduli.moduli(parts_of(values), WORK).tolist()
    assert [float(moduli.moduli(parts_of(values[k : k + 1]), WORK)[0]) for k in range(500)] == found


def test_what_no_float64_holds_is_infinite() -> None:
    """Two parts that are finite may have an infinite modulus, but none that is NaN."""
    largest = float(np.finfo(np.float64).max)
    parts = parts_of(np.array([complex(largest, largest), complex(largest, 0), complex(-largest, 1.0)]))
    assert moduli.moduli(parts, WORK).tolist() == [INF, largest, largest]
    assert moduli.are_finite(parts)


def test_kinds_of_elements() -> None:
    """An element is infinite where a part is, as numpy's `abs` has it; else it is NaN where a part is NaN."""
    values = np.array([complex(INF, NAN), complex(NAN, -INF), complex(NAN, 1), complex(0, NAN), complex(-INF, 0), 1])
    parts = parts_of(values)
    assert (
        moduli.is_infinite(parts).tolist()
        == np.isinf(np.abs(values)).tolist()
        == [True, True, False, False, True, False]
    )
    assert (
        moduli.is_nan(parts).tolist() == np.isnan(np.abs(values)).tolist() == [False, False, True, True, False, False]
    )
    assert not moduli.are_finite(parts)


def test_bytes_in_the_other_order() -> None:
    """Each part has its own bytes turned."""
    values = np.array([1 + 2j, -3.5j], ">c8")
    parts = parts_of(values)
    assert (parts.real.tolist(), parts.imaginary.tolist(), parts.wide) == ([1.0, 0.0], [2.0, -3.5], False)


@pytest.mark.parametrize("scale", [1e300, 1.0, 1e-300, 5e-324])
def test_squares_of_rows(scale: float) -> None:
    """Each row is scaled for itself, so that no square overflows, and none is lost."""
    rows = np.array([[3 + 4j, 0, 12j], [1, 1j, -1]]) * np.array([[scale], [1.0]])
    flat = parts_of(rows)
    found = moduli.squares(Parts(flat.real.reshape(2, 3), flat.imaginary.reshape(2, 3), wide=True), WORK)
    assert (found.zeros.tolist(), found.peaks.tolist()) == ([1, 0], [12 * scale, 1.0])
    norms = np.ldexp(np.sqrt(found.sums(WORK)), found.exponents)
    np.testing.assert_allclose(norms, [13 * scale, math.sqrt(3)], rtol=1e-15, atol=5e-324)


def test_the_squares_of_single_precision_are_the_plain_ones() -> None:
    """Of complex64, |z|² is re·re + im·im in float64, each operation rounded once, and no row is scaled."""
    values = steep(64, COMPLEX64).reshape(4, 16)
    flat = parts_of(values)
    found = moduli.squares(Parts(flat.real.reshape(4, 16), flat.imaginary.reshape(4, 16), wide=False), WORK)
    real, imaginary = values.real.astype(np.float64), values.imag.astype(np.float64)
    assert found.values.tolist() == (real * real + imaginary * imaginary).tolist()
    assert found.exponents.tolist() == [0] * 4
    assert found.zeros.tolist() == (values == 0).sum(axis=1).tolist()
