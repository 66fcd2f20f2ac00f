"""`adaptive-clip` against timm's `adaptive_clip_grad`, on the shapes that both cut into the same units, and where they differ."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
timm = importlib.util.find_spec("timm")
if timm is None or not timm.submodule_search_locations:
    pytest.skip("timm is not installed", allow_module_level=True)

from safetensors.torch import load_file, save_file

from gradclip_cli import apply

ALIKE = {
    "scalar": (),
    "bias": (7,),
    "row": (1, 6),
    "dense": (20, 30),
    "three": (3, 4, 5),
    "conv": (3, 3, 5, 7),
    "five": (2, 2, 3, 2, 4),
    "ones": (1, 1, 9),
}
"""Shapes from 0-d to 5-d of which timm's units are ours: it does not squeeze, so that (6, 1) has six units there."""

SQUEEZED = {"column": (6, 1), "deep": (6, 1, 1)}


def _clipping() -> Callable[..., None]:
    """timm's function from its own file: its package wants torchvision, which this needs not."""
    path = Path(timm.submodule_search_locations[0]) / "utils" / "agc.py"  # type: ignore[union-attr,index]
    spec = importlib.util.spec_from_file_location("agc_of_timm", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[..., None] = module.adaptive_clip_grad
    return found


def pair(shapes: dict[str, tuple[int, ...]], dtype: Any, size: float = 1.0) -> tuple[dict[str, Any], dict[str, Any]]:
    """Gradients and weights, with units of zeros in either."""
    torch.manual_seed(8)
    grads = {f"{name}.weight": torch.randn(shape) * size for name, shape in shapes.items()}
    weights = {name: 3 * torch.randn(grad.shape) for name, grad in grads.items()}
    for grad, weight in zip(grads.values(), weights.values(), strict=True):
        if grad.dim() > 1 and len(grad) > 1:
            grad[0], weight[-1] = 0, 0
    return ({name: one.to(dtype) for name, one in some.items()} for some in (grads, weights))  # type: ignore[return-value]


def both(grads: dict[str, Any], weights: dict[str, Any], folder: Path, ratio: float) -> list[tuple[Any, Any]]:
    """What we write and what timm leaves of each gradient, in float64."""
    save_file(grads, folder / "g.safetensors")
    save_file(weights, folder / "w.safetensors")
    options: dict[str, Any] = {"strategy": "agc", "threshold": ratio, "unit_axis": "first", "overwrite": True}
    apply(folder / "g.safetensors", folder / "out.safetensors", weights=folder / "w.safetensors", **options)
    written, found = load_file(folder / "out.safetensors"), []
    for name, grad in grads.items():
        parameter = torch.nn.Parameter(weights[name].clone())
        parameter.grad = grad.clone()
        _clipping()(parameter, clip_factor=ratio, eps=1e-3)
        found.append((written[name].double().numpy(), parameter.grad.double().numpy()))
    return found


@pytest.mark.parametrize("ratio", [0.01, 0.3, 1e9])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6), (torch.bfloat16, 0.02)]
)
def test_the_same_units_are_clipped_alike(dtype: Any, tolerance: float, ratio: float, tmp_path: Path) -> None:
    """From 0-d to 5-d, with units of zeros in weights and in gradients: equal but for the norms that timm takes in the dtype."""
    grads, weights = pair(ALIKE, dtype)
    for ours, theirs in both(grads, weights, tmp_path, ratio):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance)


def test_timm_does_not_squeeze(tmp_path: Path) -> None:
    """A tensor of shape (6, 1) is one unit here, as timm has it without axes of length 1, and six units with them."""
    grads, weights = pair(SQUEEZED, torch.float64)
    flat, own = ({name: one.reshape(-1) for name, one in some.items()} for some in (grads, weights))
    as_one = both(flat, own, tmp_path, 0.01)
    for (ours, theirs), (_, squeezed) in zip(both(grads, weights, tmp_path, 0.01), as_one, strict=True):
        np.testing.assert_allclose(ours.reshape(-1), squeezed, rtol=1e-12)
        assert not np.allclose(ours, theirs, rtol=0.1)


def test_timm_divides_by_its_guard(tmp_path: Path) -> None:
    """Norms below 1e-6 are divided by 1e-6 in timm, and come out below the limit; only λ · ε below 1e-6 lets any be clipped."""
    grads, weights = pair({"dense": (20, 30)}, torch.float64, size=1e-7)
    zeros = {name: torch.zeros_like(one) for name, one in weights.items()}
    [(ours, theirs)] = both(grads, zeros, tmp_path, 1e-4)
    limit = 1e-4 * 1e-3
    norms = np.linalg.norm(next(iter(grads.values())).numpy(), axis=1)
    assert ((norms[1:] > limit) & (norms[1:] < 1e-6)).all()
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1)[1:], limit, rtol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(theirs, axis=1)[1:], norms[1:] * limit / 1e-6, rtol=1e-12)
