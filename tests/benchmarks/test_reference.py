"""What the benchmarks compare with finds what plain numpy finds: it is no faster by being wrong."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from support.official import BFLOAT16

from benchmarks import reference

DTYPES = {"float32": np.dtype(np.float32), "bfloat16": BFLOAT16, "float16": np.dtype(np.float16)}
SHAPES = {"a.weight": (3, 200_001), "b.weight": (8192,), "b.bias": (5,)}
"""More than one piece with an odd rest, one block, and less than a block."""


def tensors(dtype: np.dtype[Any]) -> dict[str, Any]:
    """Elements of about 1e-3, some of them zero, some subnormal as float16, the largest negative."""
    generator = np.random.default_rng(5)
    found = {}
    for name, shape in SHAPES.items():
        values = generator.standard_normal(shape) * 1e-3
        flat = values.reshape(-1)
        flat[1::4] *= 1e-3
        flat[::7] = 0.0
        found[name] = values.astype(dtype)
    found["b.bias"][3] = -0.5
    return found


@pytest.mark.parametrize("by", [[], ["threads"]], ids=["processes", "threads"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_figures(dtype: str, by: list[str], tmp_path: Path) -> None:
    """Norms of the file and of every tensor are those of float64 to 1e-13; zeros and the largest |x| are exact."""
    arrays = tensors(DTYPES[dtype])
    save_file(arrays, tmp_path / "g.safetensors")
    command = [sys.executable, reference.__file__, str(tmp_path / "g.safetensors"), "3", *by]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    wide = {name: array.astype(np.float64).ravel() for name, array in arrays.items()}
    norms = {name: float(np.sqrt((array * array).sum())) for name, array in wide.items()}
    assert found["norms"] == pytest.approx(norms, rel=1e-13)
    assert found["norm"] == pytest.approx(float(np.sqrt(sum(norm**2 for norm in norms.values()))), rel=1e-13)
    assert found["zeros"] == sum(int((array == 0).sum()) for array in wide.values())
    assert found["peak"] == 0.5
