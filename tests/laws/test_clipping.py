"""Laws that hold for every strategy, whatever it computes."""

from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from support.matrices import crossed
from support.official import BFLOAT16, FLOATS, Tensors, all_bits, beside, clip, load, save, ulps
from support.oracle import is_gradient, layer_of, norm_of

from gradclip_cli.formats import FORMATS
from gradclip_cli.strategies import STRATEGIES, Group

NAMES = [strategy.name for strategy in STRATEGIES]
WITH_THRESHOLD = [strategy.name for strategy in STRATEGIES if strategy.takes_threshold]
BY_NORM = [strategy.name for strategy in STRATEGIES if strategy.takes_norm]
GROUP = {strategy.name: strategy.group for strategy in STRATEGIES}


def threshold_of(strategy: str) -> float | None:
    """Return a threshold that clips some of the gradients, for a strategy that takes one."""
    return 0.7 if strategy in WITH_THRESHOLD else None


@pytest.mark.parametrize(
    ("strategy", "format", "threshold"), crossed(WITH_THRESHOLD, FORMATS, [1e300, float("inf")], rounds=3)
)
def test_large_threshold_changes_no_bit(
    format: str, strategy: str, threshold: float, gradients: Tensors, tmp_path: Path
) -> None:
    """What is not clipped is bit-identical: signed zeros, subnormals and the payloads of NaN."""
    payloads = {
        "odd.single": np.array([0x7F800001, 0xFFC12345, 0x80000000, 0x00000001, 0x7F800000], np.uint32).view("f4"),
        "odd.double": np.array([0x7FF0000000000001, 0xFFF8000000ABCDEF, 1 << 63, 1], np.uint64).view("f8"),
        "odd.half": np.array([0x7C01, 0xFE12, 0x8000, 0x0001, 0xFC00], np.uint16).view("f2"),
        "odd.brain": np.array([0x7F81, 0xFFC1, 0x8000, 0x0001], np.uint16).view(BFLOAT16),
    }
    tensors = {**gradients, **payloads}
    path = save(tmp_path, format, tensors)
    clip(path, out := beside(path, format), strategy=strategy, threshold=threshold, nonfinite="skip")
    assert all_bits(load(out)) == all_bits(tensors)


@pytest.mark.parametrize(("strategy", "dtype", "format"), crossed(NAMES, FLOATS, FORMATS, rounds=4), ids=str)
def test_twice_is_once(format: str, strategy: str, dtype: np.dtype, gradients: Tensors, tmp_path: Path) -> None:
    """Clipping twice equals clipping once, to one step of the dtype an element; in float64 the factor's own rounding adds some."""
    tensors = {name: array.astype(dtype) for name, array in gradients.items()}
    path = save(tmp_path, format, tensors)
    once, twice = beside(path, format, "once"), beside(path, format, "twice")
    options = {"strategy": strategy, "threshold": threshold_of(strategy)}
    clip(path, once, **options)
    clip(once, twice, **options, **({"weights": path} if strategy == "adaptive-clip" else {}))
    first, second = load(once), load(twice)
    assert {name: array.dtype for name, array in first.items()} == {name: a.dtype for name, a in tensors.items()}
    assert max(ulps(second[name], first[name]) for name in tensors) <= (4 if dtype == np.float64 else 1)


@pytest.mark.parametrize(
    ("strategy", "dtype", "p"), crossed(BY_NORM, FLOATS, [1.0, 2.0, float("inf")], rounds=3), ids=str
)
def test_norm_after_is_at_most_the_threshold(strategy: str, dtype: np.dtype, p: float, tmp_path: Path) -> None:
    """After clipping no group has a norm above c · (1 + eps of the dtype); in float64 the factor's own rounding adds one eps."""
    rng, c = np.random.default_rng(11), 0.7
    tensors = {f"{layer}.{k}": rng.standard_normal((50, 3 + k)).astype(dtype) for layer in "ab" for k in range(3)}
    path = save(tmp_path, "safetensors", tensors)
    clip(path, out := beside(path, "safetensors"), strategy=strategy, threshold=c, norm_type=p)
    keys: dict[Group, Callable[[str], str]] = {Group.DUMP: lambda _: "", Group.LAYER: layer_of, Group.TENSOR: str}
    key = keys[GROUP[strategy]]
    found = load(out)
    norms = [norm_of([a for name, a in found.items() if key(name) == group], p) for group in {key(n) for n in found}]
    steps = 2 if dtype == np.float64 else 1
    assert max(norms) <= c * (1 + steps * float(ml_dtypes.finfo(dtype).eps))
    assert min(norms) > 0.9 * c


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_elements_after_are_at_most_the_threshold(dtype: np.dtype, tmp_path: Path) -> None:
    """Clipped element by element, no |g| is above c rounded to the dtype, and what was below is untouched."""
    before = np.random.default_rng(5).standard_normal(999).astype(dtype)
    path = save(tmp_path, "safetensors", {"w": before})
    dump = clip(path, out := beside(path, "safetensors"), strategy="clip-by-value", threshold=0.3)
    after, limit = load(out)["w"], np.asarray(0.3).astype(dtype)
    above = np.abs(before.astype(np.float64)) > 0.3
    np.testing.assert_array_equal(after[~above], before[~above])
    np.testing.assert_array_equal(after[above], np.copysign(limit, before[above]))
    assert dump.params[0].clipped_elements == int(above.sum()) > 0


@pytest.mark.parametrize("strategy", NAMES)
def test_after_means_after(strategy: str, gradients: Tensors, tmp_path: Path) -> None:
    """`norm_after` and `max_abs_after` are measured on the values as written, and `*_before` on those read."""
    path = save(tmp_path, "safetensors", gradients)
    out = beside(path, "safetensors")
    dump = clip(path, out, strategy=strategy, threshold=threshold_of(strategy))
    after = load(out)
    for param in dump.params:
        if not is_gradient(gradients[param.name]):
            assert (param.norm_before, param.norm_after, param.factor) == (None, None, None)
            continue
        for found, norm, peak in (
            (gradients[param.name], param.norm_before, param.max_abs_before),
            (after[param.name], param.norm_after, param.max_abs_after),
        ):
            wide = np.abs(found.astype(np.float64))
            assert norm == pytest.approx(norm_of([found]), rel=1e-12)
            assert peak == wide.max(initial=0)


@pytest.mark.parametrize(("strategy", "format"), crossed(NAMES, FORMATS))
def test_dump_without_gradients(format: str, strategy: str, tmp_path: Path) -> None:
    """A dump of integers and bools only is valid, has norm 0, and is written unchanged."""
    tensors = {"step.count": np.arange(3), "step.mask": np.array([True, False])}
    path = save(tmp_path, format, tensors)
    dump = clip(path, out := beside(path, format), strategy=strategy, threshold=threshold_of(strategy))
    assert (dump.total.tensors, dump.total.elements, dump.total.norm_before, dump.layers) == (0, 0, 0.0, [])
    assert all_bits(load(out)) == all_bits(tensors)


@pytest.mark.parametrize("strategy", NAMES)
def test_zero_group_is_left_as_it_is(strategy: str, tmp_path: Path) -> None:
    """A group of norm 0 stays as it is, the signs of its zeros too."""
    tensors = {"a.w": np.array([0.0, -0.0, 0.0]), "b.w": np.zeros((0, 2), np.float32)}
    path = save(tmp_path, "safetensors", tensors)
    dump = clip(path, out := beside(path, "safetensors"), strategy=strategy, threshold=threshold_of(strategy))
    assert all_bits(load(out)) == all_bits(tensors)
    assert not any(param.clipped for param in dump.params)


@pytest.mark.parametrize("strategy", BY_NORM)
def test_equal_to_the_threshold_is_not_clipped(strategy: str, tmp_path: Path) -> None:
    """A group is clipped if and only if n > c, with no epsilon: n = c changes no bit, the next larger n is clipped."""
    tensors = {"w": np.array([3.0, 4.0])}
    path = save(tmp_path, "safetensors", tensors)
    same = clip(path, out := beside(path, "safetensors"), strategy=strategy, threshold=5.0)
    assert all_bits(load(out)) == all_bits(tensors)
    assert not same.params[0].clipped
    below = clip(path, beside(path, "safetensors", "below"), strategy=strategy, threshold=float(np.nextafter(5.0, 0)))
    assert below.params[0].clipped


@pytest.mark.parametrize("strategy", WITH_THRESHOLD)
def test_left_out_tensors_count_nowhere(strategy: str, tmp_path: Path) -> None:
    """What --exclude leaves out is written unchanged and counts in no norm."""
    tensors = {"a.w": np.array([3.0, 4.0]), "a.huge": np.array([1e9])}
    path = save(tmp_path, "safetensors", tensors)
    dump = clip(path, out := beside(path, "safetensors"), strategy=strategy, threshold=5.0, exclude=["*.huge"])
    assert all_bits(load(out)) == all_bits(tensors)
    assert (dump.total.norm_before, dump.total.tensors, dump.layers[0].params) == (5.0, 1, 1)
    assert {param.name: param.norm_before for param in dump.params} == {"a.w": 5.0, "a.huge": None}
