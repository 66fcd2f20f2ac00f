"""DL4J's strategies: its own formulas on one small network, and the relations that its own test asserts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.official import Array, Tensors, all_bits, beside, clip, load, save

from gradclip_cli.formats import FORMATS

NETWORK: Tensors = {
    "0_W": np.array([[3.0, 0.0], [0.0, 4.0]]),
    "0_b": np.array([12.0, 0.0]),
    "1_W": np.array([[0.3, 0.4]]),
    "1_RW": np.array([[6.0, 8.0]]),
    "1_b": np.array([0.0, 0.0]),
}
UNCHANGED: dict[str, Any] = {name: array.tolist() for name, array in NETWORK.items()}

TABLE: dict[str, dict[str, Any]] = {
    "None": UNCHANGED,
    "RenormalizeL2PerLayer": {
        "0_W": [[0.23076923076923078, 0], [0, 0.3076923076923077]],
        "0_b": [0.9230769230769231, 0],
        "1_W": [[0.029962570166335335, 0.03995009355511379]],
        "1_RW": [[0.5992514033267068, 0.7990018711022757]],
        "1_b": [0, 0],
    },
    "RenormalizeL2PerParamType": {
        "0_W": [[0.6, 0], [0, 0.8]],
        "0_b": [1, 0],
        "1_W": [[0.6, 0.8]],
        "1_RW": [[0.6, 0.8]],
        "1_b": [0, 0],
    },
    "ClipElementWiseAbsoluteValue": {**UNCHANGED, "0_b": [5, 0], "1_RW": [[5, 5]]},
    "ClipL2PerLayer": {
        "0_W": [[1.153846153846154, 0], [0, 1.5384615384615385]],
        "0_b": [4.615384615384616, 0],
        "1_W": [[0.14981285083167667, 0.19975046777556893]],
        "1_RW": [[2.9962570166335336, 3.995009355511378]],
        "1_b": [0, 0],
    },
    "ClipL2PerParamType": {**UNCHANGED, "0_b": [5, 0], "1_RW": [[3, 4]]},
}
"""What each strategy makes of NETWORK with a threshold of 5, by DL4J's formulas in float64."""


def run(tensors: Tensors, strategy: str, threshold: float | None, folder: Path, format: str = "npz") -> Tensors:
    """Clip tensors in a file."""
    path = save(folder, format, tensors)
    clip(path, out := beside(path, format), strategy=strategy, threshold=threshold)
    return load(out)


@pytest.mark.parametrize("strategy", TABLE)
@pytest.mark.parametrize("format", FORMATS)
def test_table(format: str, strategy: str, tmp_path: Path) -> None:
    """Each strategy gives DL4J's numbers, under DL4J's spelling of its name."""
    found = run(NETWORK, strategy, 5.0 if strategy.startswith("Clip") else None, tmp_path, format)
    for name, values in TABLE[strategy].items():
        np.testing.assert_allclose(found[name], np.array(values, np.float64), rtol=1e-14, atol=0, strict=True)


def test_layer_norms(tmp_path: Path) -> None:
    """Keys are cut at the last `_` into layer and param, and a layer's norm is over all its params."""
    path = save(tmp_path, "npz", NETWORK)
    dump = clip(path, beside(path, "npz"), strategy="ClipL2PerLayer", threshold=5.0)
    norms = {row.layer: row.norm_before for row in dump.layers}
    assert norms == {"0": 13.0, "1": pytest.approx(10.012492197250394, rel=1e-12)}


def test_layer_at_the_threshold_is_untouched(tmp_path: Path) -> None:
    """ClipL2PerLayer with c = 13 leaves layer 0, of norm 13, bit-identical."""
    assert all_bits(run(NETWORK, "ClipL2PerLayer", 13.0, tmp_path)) == all_bits(NETWORK)


def test_elements_at_the_threshold_are_untouched(tmp_path: Path) -> None:
    """Element-wise with c = 5, what is 5 stays and what is above becomes 5."""
    found = run({"0_W": np.array([-5, 5, -5.0001, 4.9999])}, "ClipElementWiseAbsoluteValue", 5.0, tmp_path)
    np.testing.assert_array_equal(found["0_W"], [-5, 5, -5, 4.9999])


def test_names_are_cut_at_the_last_underscore(tmp_path: Path) -> None:
    """`a_b_W` is param `W` of layer `a_b`."""
    path = save(tmp_path, "npz", {"a_b_W": np.ones(2), "a_b_RW": np.ones(2)})
    dump = clip(path, beside(path, "npz"), strategy="None")
    assert [(param.layer, param.param) for param in dump.params] == [("a_b", "W"), ("a_b", "RW")]


def layer(scale: float) -> dict[str, Array]:
    """Return a weight of 10 × 20 and a bias of 20, uniform in [-5, 5] times `scale`."""
    rng = np.random.default_rng(12345)
    return {"0_W": scale * rng.uniform(-5, 5, (10, 20)), "0_b": scale * rng.uniform(-5, 5, 20)}


def length(*arrays: Array) -> float:
    """Return the L2 norm of all elements together."""
    return float(np.sqrt(sum(np.square(array).sum() for array in arrays)))


def close(found: Tensors, wanted: Tensors) -> None:
    """Require the same numbers to 1e-12."""
    for name, array in wanted.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-12, atol=0)


def test_renormalize_per_layer(tmp_path: Path) -> None:
    """RenormalizeL2PerLayer gives g / sqrt(sum of squares of weight and bias)."""
    grads = layer(1.0)
    n = length(*grads.values())
    close(run(grads, "RenormalizeL2PerLayer", None, tmp_path), {name: g / n for name, g in grads.items()})


def test_renormalize_per_param_type(tmp_path: Path) -> None:
    """RenormalizeL2PerParamType gives g / norm of each param."""
    grads = layer(1.0)
    close(run(grads, "RenormalizeL2PerParamType", None, tmp_path), {name: g / length(g) for name, g in grads.items()})


def test_clip_elements(tmp_path: Path) -> None:
    """ClipElementWiseAbsoluteValue gives ±3 where |g| > 3, and g elsewhere."""
    grads = layer(1.0)
    wanted = {name: np.where(np.abs(g) > 3, 3 * np.sign(g), g) for name, g in grads.items()}
    close(run(grads, "ClipElementWiseAbsoluteValue", 3.0, tmp_path), wanted)


@pytest.mark.parametrize(("scale", "is_clipped"), [(1.0, True), (0.05, False)])
def test_clip_per_layer(scale: float, is_clipped: bool, tmp_path: Path) -> None:
    """ClipL2PerLayer gives g · 3 / n where the layer's norm is above 3, and leaves it else."""
    grads = layer(scale)
    n = length(*grads.values())
    assert (n > 3) is is_clipped
    wanted = {name: g * 3 / n if is_clipped else g for name, g in grads.items()}
    close(run(grads, "ClipL2PerLayer", 3.0, tmp_path), wanted)


def test_clip_per_param_type(tmp_path: Path) -> None:
    """ClipL2PerParamType scales the bias, whose norm is above 3, and leaves the weights, whose norm is not."""
    grads = {"0_W": layer(0.05)["0_W"], "0_b": layer(1.0)["0_b"]}
    assert length(grads["0_W"]) < 3 < length(grads["0_b"])
    found = run(grads, "ClipL2PerParamType", 3.0, tmp_path)
    assert found["0_W"].tobytes() == grads["0_W"].tobytes()
    close(found, {"0_b": grads["0_b"] * 3 / length(grads["0_b"])})
