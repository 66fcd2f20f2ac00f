"""Which tensors get which dtype in an output."""

from typing import Any

import numpy as np
import pytest

from gradclip_cli.commands.apply.output_dtypes import is_converted, output_type, targets
from gradclip_cli.commands.apply.plan import OUTPUT_DTYPES, ApplyPlan
from gradclip_cli.errors import UsageError
from gradclip_cli.formats import by_name
from gradclip_cli.numerics.dtypes import BFLOAT16, COMPLEX64, FLOAT16, FLOAT32, FLOAT64, from_numpy, swapped
from gradclip_cli.strategies import find
from gradclip_cli.tensors import TensorSpec

SPECS = [
    TensorSpec("wide", FLOAT64, (2,)),
    TensorSpec("half", BFLOAT16, (2,)),
    TensorSpec("left", BFLOAT16, (2,)),
    TensorSpec("ids", from_numpy(np.dtype(np.int64)), (2,)),
]


def plan(output_dtype: str | None) -> ApplyPlan:
    """Make a plan that clips nothing."""
    return ApplyPlan((), (), find("none"), output_dtype=output_dtype)


def written(output_dtype: str | None, format: str, found: str) -> list[str]:
    """Return the dtypes in an output, of which the first two tensors count."""
    specs = targets(SPECS, [0, 1], plan(output_dtype), by_name(format), by_name(found))
    assert [spec.name for spec in specs] == ["wide", "half", "left", "ids"]
    return [spec.dtype.name for spec in specs]


@pytest.mark.parametrize("to", ["float32", "float16", "bfloat16"])
def test_what_counts_is_converted(to: str) -> None:
    """Gradients that count get the dtype that was asked for, in any format; what does not count keeps its own."""
    for format in ("safetensors", "npz", "hdf5"):
        assert written(to, format, "safetensors") == [to, to, "bfloat16", "int64"]


def test_by_default_only_npz_changes_bfloat16() -> None:
    """npz that is made of another format holds float32 for all bfloat16; a copy of npz, and any other format, keeps it."""
    kept = ["float64", "bfloat16", "bfloat16", "int64"]
    assert written(None, "npz", "safetensors") == ["float64", "float32", "float32", "int64"]
    assert written("keep", "npz", "safetensors") == kept
    for format, found in (("npz", "npz"), ("hdf5", "npz"), ("safetensors", "hdf5")):
        assert written(None, format, found) == kept


def test_the_same_tensors_where_none_changes() -> None:
    """Where no dtype changes the list itself comes back, so that a file can be copied."""
    safetensors = by_name("safetensors")
    assert targets(SPECS, [0, 1], plan(None), safetensors, safetensors) is SPECS
    assert targets(SPECS, [1], plan("bfloat16"), safetensors, safetensors) is SPECS


def test_byte_order_and_complex_numbers_stay() -> None:
    """Another byte order is no other dtype, and complex numbers are never converted."""
    assert not is_converted(TensorSpec("w", swapped(FLOAT32), (1,)), FLOAT32)
    assert not is_converted(TensorSpec("w", COMPLEX64, (1,)), FLOAT16)
    assert not is_converted(TensorSpec("w", FLOAT64, (1,)), None)
    assert is_converted(TensorSpec("w", FLOAT64, (1,)), FLOAT16)


@pytest.mark.parametrize(
    ("given", "dtype"), [(None, None), ("keep", None), ("float16", FLOAT16), ("bfloat16", BFLOAT16)]
)
def test_dtypes_by_name(given: str | None, dtype: Any) -> None:
    """Each name that is accepted stands for a dtype, or for none."""
    assert given is None or given in OUTPUT_DTYPES
    assert output_type(plan(given)) == dtype


def test_other_dtypes_are_wrong_usage() -> None:
    """A dtype that cannot be written to is refused before anything is read, and those that can are named."""
    with pytest.raises(UsageError, match="one of keep, float32, float16, bfloat16, not 'float8'"):
        plan("float8")
