"""Norms are those of exact sums, and a scaled element is rounded once, whatever the bits."""

import math
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.folders import memory_folder
from support.generated import CODES, FLOATS, Dump, arrays, dumps, few, read, write
from support.official import FNUZ, bits, factor_of, spacing
from support.tensors import exact_norm

import gradclip_cli

LARGEST = 1e300
"""What finite elements are limited to, so that their norm is finite too."""


def finite(array: NDArray[Any]) -> NDArray[Any]:
    """Replace what is not finite, or too large, by numbers that are."""
    with np.errstate(invalid="ignore"):
        wide = array.astype(np.float64)
    return np.where(np.abs(wide) < LARGEST, array, array.dtype.type(-1.5)).astype(array.dtype)


def close(found: Any, expected: float) -> bool:
    """Whether a norm is right to 1e-12; below the normal numbers, to the last bit but one."""
    return abs(float(found) - expected) <= max(1e-12 * expected, 1e-323)


@pytest.mark.parametrize("p", [1.0, 2.0, math.inf])
@given(dump=dumps(FLOATS))
@few(40)
def test_norms_are_those_of_exact_sums(p: float, dump: Dump) -> None:
    """The norm of a dump, and of each tensor, agrees with an exact sum to 1e-12, from subnormals to the largest."""
    dump = {name: finite(array) for name, array in dump.items()}
    exact = {name: exact_norm(array.astype(np.float64).ravel().tolist(), p) for name, array in dump.items()}
    with memory_folder() as at:
        write(at / "a.safetensors", dump)
        report = gradclip_cli.stats(at / "a.safetensors", norm_type=p)
    every = [x for array in dump.values() for x in array.astype(np.float64).ravel().tolist()]
    assert close(report.dumps[0].norm, exact_norm(every, p))
    assert {param.name for param in report.params} == exact.keys()
    assert all(close(param.summary.max, exact[param.name]) for param in report.params)


@given(dump=dumps([*FLOATS, CODES["I32"]]))
@few(53)
def test_elements_that_are_not_finite_are_counted(dump: Dump) -> None:
    """NaN and infinities are counted whatever their payload, in floats only."""
    with np.errstate(invalid="ignore"):
        wide = [array.astype(np.float64) for array in dump.values() if array.dtype != np.int32]
    with memory_folder() as at:
        write(at / "a.safetensors", dump)
        report = gradclip_cli.stats(at / "a.safetensors")
    assert report.dumps[0].nonfinite == sum(int(np.count_nonzero(~np.isfinite(array))) for array in wide)


@given(array=arrays(FLOATS), share=st.floats(1e-6, 0.999))
@few(100)
def test_a_scaled_element_is_rounded_once(array: NDArray[Any], share: float) -> None:
    """Each element is float64(g) times the factor: rounded once for float64 and float32, within 0.51 ulp for what is narrower."""
    array = finite(array)
    norm = exact_norm(array.astype(np.float64).ravel().tolist(), 2.0)
    assume(norm * share > 1e-290)
    with memory_folder() as at:
        write(at / "a.safetensors", {"w": array})
        options: dict[str, Any] = {"strategy": "clip-by-global-norm", "threshold": norm * share}
        [dump] = gradclip_cli.apply(at / "a.safetensors", at / "b.safetensors", **options).dumps
        found = read(at / "b.safetensors")["w"]
    factor = factor_of(dump)
    assert factor == pytest.approx(share, rel=1e-12)
    product = array.astype(np.float64) * factor
    if array.dtype in (np.float64, np.float32):
        assert bits(found) == bits(product.astype(array.dtype))
        return
    assert np.all(np.abs(found.astype(np.float64) - product) <= 0.51 * spacing(product, array.dtype))
    signed = np.where(
        found.astype(np.float64) == 0, array.dtype not in FNUZ, True
    )  # where there is no -0, 0 has no sign
    assert np.array_equal(np.signbit(found.astype(np.float64)), np.signbit(product) & signed)


@given(array=arrays([np.dtype(np.float32), np.dtype(ml_dtypes.bfloat16)]))
@few(40)
def test_a_norm_at_the_threshold_changes_nothing(array: NDArray[Any]) -> None:
    """A group is clipped if its norm is above the threshold: at the norm itself nothing happens, one step below it is clipped."""
    array = finite(array)
    with memory_folder() as at:
        write(at / "a.safetensors", {"w": array})
        norm = float(gradclip_cli.stats(at / "a.safetensors").dumps[0].norm)
        assume(norm > 1e-300)
        clipped = []
        for threshold in (norm, float(np.nextafter(norm, 0))):
            options: dict[str, Any] = {"strategy": "clip-by-norm", "threshold": threshold, "overwrite": True}
            [dump] = gradclip_cli.apply(at / "a.safetensors", at / "b.safetensors", **options).dumps
            clipped.append(dump.params[0].clipped)
    assert clipped == [False, True]
