"""Complex dumps of any shape and any bits: moduli are those of exact arithmetic, and what is not finite is counted whole."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.folders import memory_folder
from support.generated import arrays, few
from support.official import bits, load_npz, save_npz
from support.tensors import exact_norm

import gradclip_cli
from gradclip_cli.strategies import STRATEGIES

COMPLEX = [np.dtype(code) for code in ("<c8", ">c8", "<c16", ">c16")]
LARGEST = 1e300
"""What finite parts are limited to, so that norms and distances are finite too."""


def finite(array: NDArray[Any]) -> NDArray[Any]:
    """Replace elements that are not finite, or too large, by numbers that are."""
    with np.errstate(invalid="ignore"):
        wide = array.astype(np.complex128)
    fits = (np.abs(wide.real) < LARGEST) & (np.abs(wide.imag) < LARGEST)
    return np.where(fits, array, array.dtype.type(-1.5 + 2j)).astype(array.dtype)


def moduli(array: NDArray[Any]) -> list[float]:
    """Return |z| to 60 digits, rounded once."""
    with localcontext() as context:
        context.prec = 60
        pairs = [(Decimal(z.real), Decimal(z.imag)) for z in array.astype(np.complex128).ravel().tolist()]
        return [float((real * real + imaginary * imaginary).sqrt()) for real, imaginary in pairs]


def close(found: Any, expected: float) -> bool:
    """Whether a figure is right to 1e-12; below the normal numbers, to the last bit but one."""
    return abs(float(found) - expected) <= max(1e-12 * expected, 1e-323)


@pytest.mark.parametrize("p", [1.0, 2.0, math.inf])
@given(array=arrays(COMPLEX))
@few(40)
def test_norms_are_those_of_moduli(p: float, array: NDArray[Any]) -> None:
    """The norm and the largest modulus agree with exact ones to 1e-12, from subnormals to the largest."""
    array = finite(array)
    with memory_folder() as at:
        save_npz(at / "a.npz", {"w": array})
        [dump] = gradclip_cli.stats(at / "a.npz", norm_type=p).dumps
    assert close(dump.norm, exact_norm(moduli(array), p))
    assert close(dump.max_abs, max(moduli(array), default=0.0))


@given(array=arrays(COMPLEX))
@few(66)
def test_elements_that_are_not_finite_are_counted_once(array: NDArray[Any]) -> None:
    """An element counts once, whatever its parts; zeros are elements with both parts 0, of either sign."""
    nonfinite = ~(np.isfinite(array.real) & np.isfinite(array.imag))
    with memory_folder() as at:
        save_npz(at / "a.npz", {"w": array})
        options: dict[str, Any] = {"strategy": "none", "nonfinite": "zero"}
        [dump] = gradclip_cli.apply(at / "a.npz", at / "b.npz", **options).dumps
        found = load_npz(at / "b.npz")["w"]
    assert dump.params[0].nonfinite == np.count_nonzero(nonfinite)
    assert dump.params[0].zeros == np.count_nonzero((array.real == 0) & (array.imag == 0))
    assert bits(found) == bits(np.where(nonfinite, array.dtype.type(0), array))


def limited(part: float, size: float, c: float) -> float:
    """Return part / size · c by exact arithmetic: a quotient below the normal numbers would be rounded before it is multiplied."""
    return float(Fraction(part) / Fraction(size) * Fraction(c))


@given(array=arrays(COMPLEX), c=st.floats(1e-6, 1e6))
@few(100)
def test_elements_are_limited_in_their_direction(array: NDArray[Any], c: float) -> None:
    """What is at most c keeps every bit, all else has the modulus c in its direction, each part to a rounding or two."""
    array = finite(array)
    with memory_folder() as at:
        save_npz(at / "a.npz", {"w": array})
        options: dict[str, Any] = {"strategy": "clip-by-value", "threshold": c}
        [dump] = gradclip_cli.apply(at / "a.npz", at / "b.npz", **options).dumps
        found = load_npz(at / "b.npz")["w"].ravel()
    sizes, before = np.array(moduli(array)), array.ravel()
    sure = np.abs(sizes - c) > 1e-15 * c  # at c itself, a rounding decides
    assert bits(found[sure & (sizes < c)]) == bits(before[sure & (sizes < c)])
    above = sure & (sizes > c)
    assert dump.total.clipped_elements >= np.count_nonzero(above)
    real = array.real.dtype
    for part, source in ((found.real, before.real), (found.imag, before.imag)):
        wanted = np.array([limited(float(one), size, c) for one, size in zip(source[above], sizes[above], strict=True)])
        near = np.finfo(real).eps * np.abs(wanted) + 4 * np.finfo(real).smallest_subnormal
        assert np.all(np.abs(part[above].astype(np.float64) - wanted) <= 3 * near)


@pytest.mark.parametrize("strategy", [one.name for one in STRATEGIES if one.takes_threshold])
@given(array=arrays(COMPLEX))
@few(26)
def test_a_large_threshold_changes_no_bit(strategy: str, array: NDArray[Any]) -> None:
    """Where nothing is above the threshold, every bit stays."""
    array = finite(array)
    with memory_folder() as at:
        save_npz(at / "a.npz", {"w": array})
        own = at / "a.npz" if strategy == "adaptive-clip" else ()
        gradclip_cli.apply(at / "a.npz", at / "b.npz", strategy=strategy, threshold=1e308, weights=own)
        assert bits(load_npz(at / "b.npz")["w"]) == bits(array)


@given(a=arrays(COMPLEX), seed=st.integers(0, 99), dtype=st.sampled_from(COMPLEX))
@few(66)
def test_differences_are_moduli(a: NDArray[Any], seed: int, dtype: np.dtype[Any]) -> None:
    """A dump equals itself, whatever its bits; how far apart two are is the largest |a - b|."""
    with memory_folder() as at:
        save_npz(at / "a.npz", {"w": a})
        assert gradclip_cli.diff(at / "a.npz", at / "a.npz").equal
        rng = np.random.default_rng(seed)
        a = finite(a)
        b = (rng.standard_normal(a.shape) + 1j * rng.standard_normal(a.shape)).astype(dtype)
        save_npz(at / "a.npz", {"w": a})
        save_npz(at / "b.npz", {"w": b})
        [row] = gradclip_cli.diff(at / "a.npz", at / "b.npz").params
    apart = moduli(a.astype(np.complex128) - b.astype(np.complex128))
    assert row.max_abs_diff is not None
    assert close(row.max_abs_diff, max(apart, default=0.0))
    assert row.status == ("differs" if any(apart) else "same")
