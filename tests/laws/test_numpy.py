"""Every strategy against a few lines of plain numpy in float64."""

import math
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from support.matrices import crossed
from support.official import (
    BFLOAT16,
    E4M3FN,
    E5M2,
    FLOATS,
    FNUZ,
    Array,
    Tensors,
    beside,
    clip,
    factor_of,
    load,
    save,
    spacing,
    ulps,
)
from support.oracle import expected, is_gradient, layer_of, norm_of

import gradclip_cli
from gradclip_cli.formats import FORMATS
from gradclip_cli.strategies import STRATEGIES

NAMES = [strategy.name for strategy in STRATEGIES]
WITH_THRESHOLD = [strategy.name for strategy in STRATEGIES if strategy.takes_threshold]
BY_NORM = [strategy.name for strategy in STRATEGIES if strategy.takes_norm]
INF = math.inf


def agree(found: Tensors, wanted: Tensors) -> None:
    """Require the same tensors: to 1e-12 as norms are where an element shows that, else to one step of its dtype."""
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        if array.dtype == np.float64:
            np.testing.assert_allclose(found[name], array, rtol=1e-12, atol=0, strict=True)
        else:
            assert ulps(found[name], array) <= 1, name


@pytest.mark.parametrize(("strategy", "format", "threshold"), crossed(NAMES, FORMATS, [0.05, 0.7, 3.0], rounds=3))
def test_strategy(format: str, strategy: str, threshold: float, gradients: Tensors, tmp_path: Path) -> None:
    """Every strategy does over its groups what its rule says."""
    c = threshold if strategy in WITH_THRESHOLD else None
    path = save(tmp_path, format, gradients)
    clip(path, out := beside(path, format), strategy=strategy, threshold=c)
    agree(load(out), expected(strategy, gradients, c))


POWERS = (0.1, 1.0, 1.5, 2.0, 3.0, 64.0, INF)


@pytest.mark.parametrize(("strategy", "p", "epsilon"), crossed(BY_NORM, POWERS, [0.0, 1e-6, 0.5], rounds=3))
def test_norm_type_and_epsilon(strategy: str, p: float, epsilon: float, gradients: Tensors, tmp_path: Path) -> None:
    """With --norm-type P and --epsilon the factor is min(1, c / (n + epsilon)), n being the P-norm."""
    path = save(tmp_path, "safetensors", gradients)
    out = beside(path, "safetensors")
    clip(path, out, strategy=strategy, threshold=0.7, norm_type=p, epsilon=epsilon)
    agree(load(out), expected(strategy, gradients, 0.7, p, epsilon))


@pytest.mark.parametrize(("p", "tolerance"), [(1.0, 1e-12), (1.5, 1e-10), (2.0, 1e-12), (3.0, 1e-10), (INF, 1e-12)])
def test_reported_norms(p: float, tolerance: float, gradients: Tensors, tmp_path: Path) -> None:
    """Norms of params, layers and the dump, by `apply` and by `stats`, are of the type that was asked for."""
    path = save(tmp_path, "safetensors", gradients)
    floats = {name: array for name, array in gradients.items() if is_gradient(array)}
    dump = clip(path, beside(path, "safetensors"), strategy="clip-by-norm", threshold=INF, norm_type=p)
    report = gradclip_cli.stats(path, norm_type=p)
    by_layer = {layer_of(name): [a for n, a in floats.items() if layer_of(n) == layer_of(name)] for name in floats}
    params = {name: pytest.approx(norm_of([array], p), rel=tolerance) for name, array in floats.items()}
    layers = {layer: pytest.approx(norm_of(arrays, p), rel=tolerance) for layer, arrays in by_layer.items()}
    assert {row.name: row.norm_before for row in dump.params if row.name in floats} == params
    assert {row.layer: row.norm_before for row in dump.layers} == layers
    assert dump.total.norm_before == pytest.approx(norm_of(list(floats.values()), p), rel=tolerance)
    assert {row.name: row.summary.mean for row in report.params} == params
    assert {row.layer: row.summary.mean for row in report.layers} == layers
    assert report.dumps[0].norm == dump.total.norm_before


@pytest.mark.parametrize("strategy", [name for name in NAMES if name not in BY_NORM])
def test_other_strategies_report_l2(strategy: str, tmp_path: Path) -> None:
    """Strategies that use no norm type report L2 norms."""
    path = save(tmp_path, "safetensors", {"w": np.array([3.0, 4.0])})
    c = 1.0 if strategy in WITH_THRESHOLD else None
    dump = clip(path, beside(path, "safetensors"), strategy=strategy, threshold=c)
    assert (dump.params[0].norm_before, dump.total.norm_before) == (5.0, 5.0)


@pytest.mark.parametrize(
    ("array", "norm"),
    [
        (np.array([3e200, 4e200]), 5e200),
        (np.array([3e-200, 4e-200]), 5e-200),
        (np.array([3e-320, 4e-320]), 5e-320),
        (np.array([1.2e308, 1.2e308, 0.0]), 1.2e308 * math.sqrt(2)),
        (np.full(20_000, 1e170), 1e170 * math.sqrt(20_000)),
        (np.full(256, 256.0, np.float16), 4096.0),
        (np.full(100, 3e38, np.float32), 3e39),
        (np.full(100, 1e-38, np.float32), 1e-37),
    ],
    ids=["large", "small", "subnormal", "largest", "blocks", "half", "single", "single-small"],
)
@pytest.mark.parametrize("format", FORMATS)
def test_no_square_overflows(format: str, array: Array, norm: float, tmp_path: Path) -> None:
    """A norm that is in the range of float64 is right, even where squares are not."""
    path = save(tmp_path, format, {"w": array})
    exact = norm if array.dtype == np.float64 else float(np.linalg.norm(array.astype(np.float64)))
    assert gradclip_cli.stats(path).dumps[0].norm == pytest.approx(exact, rel=1e-12, abs=5e-324)


@pytest.mark.parametrize("p", [1.5, 3.0, 64.0])
def test_no_power_overflows(p: float, tmp_path: Path) -> None:
    """The elements are scaled by the largest of them, so that no power leaves the range of float64."""
    path = save(tmp_path, "safetensors", {"w": np.array([1e300, 1e300]), "v": np.array([1e-300, 1e-300])})
    means = {row.name: row.summary.mean for row in gradclip_cli.stats(path, norm_type=p).params}
    root = 2 ** (1 / p)
    assert means == {"w": pytest.approx(1e300 * root, rel=1e-10), "v": pytest.approx(1e-300 * root, rel=1e-10)}


def test_norm_is_the_exact_sum(tmp_path: Path) -> None:
    """A norm is within 1e-12 of the exact sum, for large tensors whose elements differ by many powers of ten."""
    rng = np.random.default_rng(2)
    array = (rng.standard_normal(300_001) * 10.0 ** rng.integers(-12, 12, 300_001)).astype(np.float32)
    exact = math.sqrt(math.fsum(x * x for x in array.astype(np.float64).tolist()))
    assert gradclip_cli.stats(save(tmp_path, "npz", {"w": array})).dumps[0].norm == pytest.approx(exact, rel=1e-12)


def steep(dtype: np.dtype, size: int = 20_000) -> Array:
    """Return gradients from the smallest subnormal of a dtype to large numbers."""
    info, rng = ml_dtypes.finfo(dtype), np.random.default_rng(4)
    sizes = np.exp2(rng.uniform(int(info.minexp) - int(info.nmant), int(info.maxexp) - 2, size))
    return np.asarray(sizes * rng.choice([-1, 1], sizes.size)).astype(dtype)


@pytest.mark.parametrize("factor", [1 / 3, 0.1, 2.0**-20, 1e-30])
@pytest.mark.parametrize("dtype", FLOATS[:2], ids=str)
def test_rounded_once(dtype: np.dtype, factor: float, tmp_path: Path) -> None:
    """Elements written are float64(g) · factor, with one float64 factor, rounded once to nearest even."""
    before = steep(FLOATS[1]).astype(np.float64) * (1 if dtype == np.float32 else 1e-285)
    c = factor * float(np.linalg.norm(before / 1e-285)) * 1e-285 if dtype == np.float64 else factor * norm_of([before])
    before = before.astype(dtype)
    path = save(tmp_path, "safetensors", {"w": before})
    dump = clip(path, out := beside(path, "safetensors"), strategy="clip-by-norm", threshold=c)
    used = factor_of(dump)
    assert used == pytest.approx(factor, rel=1e-12)
    with np.errstate(under="ignore"):
        exact = (before.astype(np.float64) * used).astype(dtype)
    assert load(out)["w"].tobytes() == exact.tobytes()


@pytest.mark.parametrize("size", [37, 300_001])
@pytest.mark.parametrize("factor", [1 / 3, 0.1, 2.0**-6])
@pytest.mark.parametrize("dtype", [FLOATS[2], BFLOAT16, E4M3FN, E5M2, *FNUZ], ids=str)
def test_narrow_floats_are_rounded_to_nearest(dtype: np.dtype, factor: float, size: int, tmp_path: Path) -> None:
    """Of 16-bit and 8-bit floats every element is within 0.51 steps of the exact product, subnormals too."""
    before = steep(dtype, size)
    path = save(tmp_path, "safetensors", {"w": before})
    dump = clip(path, out := beside(path, "safetensors"), strategy="clip-by-norm", threshold=factor * norm_of([before]))
    exact = before.astype(np.float64) * factor_of(dump)
    error = np.abs(load(out)["w"].astype(np.float64) - exact)
    assert (error / spacing(exact, dtype)).max() <= 0.51


def test_underflow_is_counted(tmp_path: Path) -> None:
    """Elements that were rounded to zero are counted."""
    path = save(tmp_path, "safetensors", {"w": np.array([1e-40, -1e-42, 1.0, 0.0], np.float32)})
    dump = clip(path, out := beside(path, "safetensors"), strategy="clip-by-norm", threshold=1e-5)
    np.testing.assert_array_equal(load(out)["w"] == 0, [False, True, False, True])
    assert (dump.params[0].underflowed, dump.params[0].zeros) == (1, 1)


@pytest.mark.parametrize("strategy", ["renormalize-l2-per-layer", "renormalize-l2-per-param-type"])
@pytest.mark.parametrize(("unit", "dtype"), [(5e-324, "f8"), (1e300, "f8"), (2.0**-149, "f4"), (2.0**-24, "f2")])
def test_renormalized_from_any_size(unit: float, dtype: str, strategy: str, tmp_path: Path) -> None:
    """However small or large a group is, renormalized its norm is 1."""
    path = save(tmp_path, "safetensors", {"a.w": np.array([3 * unit, 4 * unit]).astype(dtype)})
    dump = clip(path, out := beside(path, "safetensors"), strategy=strategy)
    assert ulps(load(out)["a.w"], np.array([0.6, 0.8]).astype(dtype)) <= 1
    assert dump.total.norm_after == pytest.approx(1.0, rel=1e-3)
