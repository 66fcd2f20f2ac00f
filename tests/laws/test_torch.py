"""PyTorch itself, where it is installed."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.official import Array, all_bits, beside, clip, load, ulps

torch = pytest.importorskip("torch")
save_file = pytest.importorskip("safetensors.torch").save_file


def grads(dtype: Any) -> dict[str, Any]:
    """Return the random gradients of a small network, by name."""
    generator = torch.Generator().manual_seed(17)
    shapes = {"encoder.weight": (64, 33), "encoder.bias": (33,), "decoder.weight": (9, 5, 3), "decoder.scale": ()}
    return {
        name: torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for name, shape in shapes.items()
    }


def clipped_by_torch(tensors: dict[str, Any], c: float, p: float) -> tuple[float, dict[str, Any]]:
    """Run `clip_grad_norm_` over copies of the gradients."""
    parameters = {name: torch.nn.Parameter(torch.zeros_like(grad)) for name, grad in tensors.items()}
    for name, parameter in parameters.items():
        parameter.grad = tensors[name].clone()
    norm = torch.nn.utils.clip_grad_norm_(parameters.values(), c, norm_type=p)
    return float(norm), {name: parameter.grad for name, parameter in parameters.items()}


def numbers(tensor: Any) -> Array:
    """Widen a tensor to float64."""
    return np.asarray(tensor.detach().to(torch.float64).numpy())


@pytest.mark.parametrize("c", [0.5, 30.0, 1e4])
@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0, math.inf])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_clip_grad_norm(dtype: str, p: float, c: float, tmp_path: Path) -> None:
    """On a file that PyTorch wrote, clip-by-global-norm with its epsilon gives what clip_grad_norm_ gives."""
    tensors = grads(getattr(torch, dtype))
    save_file(tensors, path := tmp_path / "g.safetensors")
    options = {"threshold": c, "norm_type": p, "epsilon": 1e-6}
    dump = clip(path, out := beside(path, "safetensors"), strategy="clip-by-global-norm", **options)
    norm, wanted = clipped_by_torch(tensors, c, p)
    found, tolerance = load(out), 1e-12 if dtype == "float64" else 2e-6
    assert dump.total.norm_before == pytest.approx(norm, rel=tolerance)
    for name, tensor in wanted.items():
        np.testing.assert_allclose(found[name].astype(np.float64), numbers(tensor), rtol=tolerance, atol=0)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_file_written_by_torch(dtype: str, tmp_path: Path) -> None:
    """A safetensors file of PyTorch's is read, and PyTorch reads what is written: the same float64 rule, one step off at most."""
    tensors = grads(getattr(torch, dtype))
    save_file(tensors, path := tmp_path / "g.safetensors")
    dump = clip(path, out := beside(path, "safetensors"), strategy="clip-by-global-norm", threshold=4.0)
    wide = np.concatenate([numbers(tensor).ravel() for tensor in tensors.values()])
    assert dump.total.norm_before == pytest.approx(float(np.linalg.norm(wide)), rel=1e-12)
    before, after = load(path), load(out)
    by = 4.0 / float(np.linalg.norm(wide))
    for name, array in before.items():
        assert ulps(after[name], (array.astype(np.float64) * by).astype(array.dtype)) <= 1
    read = pytest.importorskip("safetensors.torch").load_file(out)
    assert {name: str(tensor.dtype) for name, tensor in read.items()} == dict.fromkeys(tensors, f"torch.{dtype}")
    np.testing.assert_array_equal(numbers(read["encoder.bias"]), after["encoder.bias"].astype(np.float64))


def test_clip_grad_value(tmp_path: Path) -> None:
    """clip-by-value gives the bits of clip_grad_value_."""
    tensors = grads(torch.float32)
    save_file(tensors, path := tmp_path / "g.safetensors")
    clip(path, out := beside(path, "safetensors"), strategy="clip-by-value", threshold=0.3)
    wanted = {name: np.asarray(tensor.clamp(-0.3, 0.3).numpy()) for name, tensor in tensors.items()}
    assert all_bits(load(out)) == all_bits(wanted)
