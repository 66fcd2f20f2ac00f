"""What PyTorch, TensorFlow, optax and Keras computed, and gradclip's own rules where they do not agree."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.official import BFLOAT16, Array, Tensors, all_bits, beside, clip, load, save, ulps

import gradclip_cli
from gradclip_cli import GradclipError
from gradclip_cli.strategies import STRATEGIES

RECORDS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "golden" / "frameworks.json").read_text(encoding="utf-8")
)
WITH_THRESHOLD = [strategy.name for strategy in STRATEGIES if strategy.takes_threshold]

STRATEGY = {
    "keras clipnorm": "clip-by-norm",
    "keras global_clipnorm": "clip-by-global-norm",
    "optax.clip": "clip-by-value",
    "optax.clip_by_global_norm": "clip-by-global-norm",
    "tf.clip_by_global_norm": "clip-by-global-norm",
    "tf.clip_by_norm each": "clip-by-norm",
    "tf.clip_by_value(-t,t)": "clip-by-value",
    "torch.nn.utils.clip_grad_norm_": "clip-by-global-norm",
    "torch.nn.utils.clip_grad_value_": "clip-by-value",
}
GLOBAL_NAN = ("keras global_clipnorm", "tf.clip_by_global_norm")
"""They make everything NaN where a norm is infinite."""


def array_of(values: Any, dtype: str) -> Array:
    """Turn a record's numbers, and its texts for what is not finite, into an array."""
    wide = np.array(values, dtype=object).astype(np.float64)
    return wide.astype(BFLOAT16 if dtype == "bfloat16" else dtype)


def function_of(record: dict[str, Any]) -> str:
    """Return the function's name without the version."""
    return str(record["fn"].partition(" (")[0])


def is_comparable(record: dict[str, Any]) -> bool:
    """Tell the records whose result gradclip shares from those that it has a rule of its own for."""
    if "raises" in record or "int64" in record["dtypes"] or not float(record["threshold"]) > 0:
        return False
    if record["id"] in ("f16_norm256", "f32_overflow_1e20"):  # a norm that overflows in any but gradclip
        return record["id"] == "f16_norm256" and math.isfinite(float(record["norm"] or "inf"))
    if record["id"] == "inf_elem":
        return function_of(record) not in GLOBAL_NAN
    return record["id"] == "nan_elem" or "nan" not in str(record["outputs"])


COMPARABLE = [
    pytest.param(record, id=f"{record['id']}-{function_of(record)}") for record in filter(is_comparable, RECORDS)
]


def close(found: Array, wanted: Array) -> None:
    """Require float32 and float64 within 1e-6, narrower floats within one step, NaN and infinities in the same places."""
    if found.dtype.itemsize > 2:
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=0, strict=True)
        return
    assert ulps(found, wanted) <= 1


@pytest.mark.parametrize("record", COMPARABLE)
def test_record(record: dict[str, Any], tmp_path: Path) -> None:
    """gradclip gives what the framework gave; PyTorch's epsilon is given where PyTorch adds it."""
    dtypes = record["dtypes"]
    tensors = {
        f"{k}.g": array_of(values, dtype)
        for k, (values, dtype) in enumerate(zip(record["inputs"], dtypes, strict=True))
    }
    path = save(tmp_path, "safetensors", tensors)
    epsilon = {"epsilon": 1e-6} if function_of(record).endswith("clip_grad_norm_") else {}
    dump = clip(
        path,
        out := beside(path, "safetensors"),
        strategy=STRATEGY[function_of(record)],
        threshold=float(record["threshold"]),
        nonfinite="propagate",
        **epsilon,
    )
    found = load(out)
    for k, (values, dtype) in enumerate(zip(record["outputs"], dtypes, strict=True)):
        close(found[f"{k}.g"], array_of(values, dtype))
    if record["norm"] is not None:
        assert dump.total.norm_before == pytest.approx(float(record["norm"]), rel=1e-6, nan_ok=True)


def test_most_records_are_compared() -> None:
    """Of the records only those are left out for which a test below states gradclip's own rule."""
    left_out = {record["id"] for record in RECORDS if not is_comparable(record)}
    assert left_out == {
        "f16_norm256",
        "f32_overflow_1e20",
        "inf_elem",
        "int64",
        "mixed_f16_f32",
        "thr0",
        "thr_inf",
        "thr_neg1",
    }
    assert len(COMPARABLE) == 87


def clipped(tensors: Tensors, folder: Path, strategy: str, threshold: float, **options: Any) -> Tensors:
    """Clip tensors in a safetensors file."""
    path = save(folder, "safetensors", tensors)
    clip(path, out := beside(path, "safetensors"), strategy=strategy, threshold=threshold, **options)
    return load(out)


@pytest.mark.parametrize("threshold", [0.0, -0.0, -1.0, math.nan, -math.inf])
@pytest.mark.parametrize("strategy", WITH_THRESHOLD)
def test_threshold_must_be_above_zero(strategy: str, threshold: float, tmp_path: Path) -> None:
    """Where the frameworks flip signs or return zeros, c <= 0 and NaN are wrong usage."""
    with pytest.raises(GradclipError, match="threshold") as caught:
        clipped({"w": np.array([3.0, 4.0])}, tmp_path, strategy, threshold)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("strategy", WITH_THRESHOLD)
def test_infinite_threshold_is_a_no_op(strategy: str, tmp_path: Path) -> None:
    """Where TensorFlow and Keras return NaN, c = inf changes nothing."""
    tensors = {"w": np.array([3.0, 4.0], np.float32)}
    assert all_bits(clipped(tensors, tmp_path, strategy, math.inf)) == all_bits(tensors)


@pytest.mark.parametrize("strategy", ["clip-by-norm", "clip-by-global-norm"])
def test_norm_does_not_overflow(strategy: str, tmp_path: Path) -> None:
    """Where the frameworks' norms of float16 and float32 overflow to zeros and NaN, gradclip clips."""
    (half,) = clipped({"w": np.array([256.0], np.float16)}, tmp_path, strategy, 1.0).values()
    (single,) = clipped({"w": np.array([1e20, 1e20], np.float32)}, tmp_path, strategy, 1.0, overwrite=True).values()
    np.testing.assert_array_equal(half, np.array([1.0], np.float16))
    np.testing.assert_allclose(single, np.float32(math.sqrt(0.5)), rtol=1e-6)


@pytest.mark.parametrize("strategy", WITH_THRESHOLD)
def test_integers_pass_through(strategy: str, tmp_path: Path) -> None:
    """Where the frameworks raise or convert, integers pass through untouched and outside every norm."""
    tensors = {"w": np.array([3, 4]), "g": np.array([0.5])}
    assert all_bits(clipped(tensors, tmp_path, strategy, 1.0)) == all_bits(tensors)


def test_mixed_dtypes(tmp_path: Path) -> None:
    """Where TensorFlow refuses float16 beside float32, the two share one norm."""
    tensors: Tensors = {"a": np.array([3.0], np.float16), "b": np.array([4.0], np.float32)}
    found = clipped(tensors, tmp_path, "clip-by-global-norm", 1.0)
    assert ulps(found["a"], np.array([0.6], np.float16)) <= 1
    np.testing.assert_allclose(found["b"], np.float32(0.8), rtol=1e-7)


def test_infinity_under_a_global_norm(tmp_path: Path) -> None:
    """Where TensorFlow and Keras make everything NaN, an infinity makes the factor 0: itself NaN, the rest 0."""
    tensors = {"a": np.array([math.inf, 4.0]), "b": np.array([1.0, 1.0])}
    found = clipped(tensors, tmp_path, "clip-by-global-norm", 1.0, nonfinite="propagate")
    np.testing.assert_array_equal(found["a"], [math.nan, 0.0])
    np.testing.assert_array_equal(found["b"], [0.0, 0.0])


VALUES: dict[str, tuple[str, float, list[Any], list[Any]]] = {
    "tf-clip-by-value": ("clip-by-value", 4.4, [[[-5, 2, 3], [4, 5, 6]]], [[[-4.4, 2, 3], [4, 4.4, 4.4]]]),
    "tf-clip-by-value-odd": ("clip-by-value", 4, [[math.nan, math.inf, -math.inf]], [[math.nan, 4, -4]]),
    "tf-clip-by-norm": ("clip-by-norm", 4, [[[-3, 0, 0], [4, 0, 0]]], [[[-2.4, 0, 0], [3.2, 0, 0]]]),
    "tf-clip-by-norm-6": ("clip-by-norm", 6, [[[-3, 0, 0], [4, 0, 0]]], [[[-3, 0, 0], [4, 0, 0]]]),
    "tf-global": (
        "clip-by-global-norm",
        4,
        [[[-2, 0, 0], [4, 0, 0]], [1, -2]],
        [[[-1.6, 0, 0], [3.2, 0, 0]], [0.8, -1.6]],
    ),
    "tf-global-6": ("clip-by-global-norm", 6, [[[-2, 0, 0], [4, 0, 0]], [1, -2]], [[[-2, 0, 0], [4, 0, 0]], [1, -2]]),
    "tf-numpy": (
        "clip-by-norm",
        5,
        [list(range(10))],
        [
            [
                0,
                0.29617444,
                0.59234888,
                0.88852332,
                1.18469776,
                1.4808722,
                1.77704663,
                2.07322107,
                2.36939551,
                2.66556995,
            ]
        ],
    ),
    "keras-clipnorm": ("clip-by-norm", 5, [[3, 4], [6, 8]], [[3, 4], [3, 4]]),
    "keras-global-clipnorm": ("clip-by-global-norm", 1, [[50, 100]], [[0.4472135901, 0.8944271803]]),
}
"""Examples from the frameworks' documentation and tests: strategy, threshold, inputs, outputs."""


@pytest.mark.parametrize("case", VALUES)
def test_documented_example(case: str, tmp_path: Path) -> None:
    """gradclip gives what the frameworks' own documentation and tests state."""
    strategy, threshold, inputs, outputs = VALUES[case]
    tensors = {f"{k}.g": np.array(values, np.float64) for k, values in enumerate(inputs)}
    found = clipped(tensors, tmp_path, strategy, threshold, nonfinite="propagate")
    for k, values in enumerate(outputs):
        np.testing.assert_allclose(found[f"{k}.g"], np.array(values, np.float64), rtol=5e-8, atol=0)


@pytest.mark.parametrize(
    ("inputs", "norm"), [([[-2, 0, 0], [4, 0, 0], [1, -2, 0]], 5.0), ([list(range(10))], 16.881943016134134)]
)
def test_documented_norm(inputs: list[list[float]], norm: float, tmp_path: Path) -> None:
    """The global norm is the one that TensorFlow's tests state."""
    path = save(tmp_path, "safetensors", {f"{k}.g": np.array(row, np.float64) for k, row in enumerate(inputs)})
    assert gradclip_cli.stats(path).dumps[0].norm == pytest.approx(norm, rel=1e-12)


@pytest.mark.parametrize(
    ("p", "norm"),
    [(0.5, 51.7846), (1, 19), (1.5, 14.4213), (2, 13), (3, 12.2071), (4, 12.0485), (math.inf, 12)],
)
def test_total_norm_of_any_type(p: float, norm: float, tmp_path: Path) -> None:
    """PyTorch's total norm of [3, 4] and [0, -12] is that of each norm type."""
    path = save(tmp_path, "safetensors", {"a": np.array([3.0, 4.0]), "b": np.array([0.0, -12.0])})
    assert gradclip_cli.stats(path, norm_type=p).dumps[0].norm == pytest.approx(norm, abs=5e-5)


def test_epsilon_of_pytorch(tmp_path: Path) -> None:
    """With --epsilon 1e-6 a clipped gradient is PyTorch's in float64."""
    (found,) = clipped({"w": np.array([3.0, 4.0])}, tmp_path, "clip-by-global-norm", 1.0, epsilon=1e-6).values()
    np.testing.assert_allclose(found, [0.599999880000024, 0.799999840000032], rtol=1e-14)


@pytest.mark.parametrize(
    ("number", "median", "p90"),
    [(1, 1, 1), (2, 1.1, 1.18), (3, 1, 1.16), (4, 1, 1.14), (5, 1, 1.16), (6, 1.05, 3.1), (7, 1, 2.72), (8, 1, 2.34)],
)
def test_percentiles_so_far(number: int, median: float, p90: float, tmp_path: Path) -> None:
    """Median and 90th percentile of the norms so far are those that AutoClip works with."""
    norms = [1, 1.2, 0.8, 1, 1.1, 5, 1, 0][:number]
    paths = [save(tmp_path, "npz", {"w": np.array([norm, 0.0])}, f"step{k}") for k, norm in enumerate(norms)]
    total = gradclip_cli.stats(paths).total
    assert (total.median, total.p90) == (pytest.approx(median), pytest.approx(p90))
