"""NaN and infinities under each policy, for every strategy, against IEEE arithmetic in numpy."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.matrices import crossed
from support.official import BFLOAT16, FLOATS, Array, Tensors, all_bits, beside, clip, load, save, ulps
from support.oracle import expected, layer_of

import gradclip_cli
from gradclip_cli import GradclipError
from gradclip_cli.formats import FORMATS
from gradclip_cli.strategies import STRATEGIES, Group

NAMES = [strategy.name for strategy in STRATEGIES]
WITH_THRESHOLD = [strategy.name for strategy in STRATEGIES if strategy.takes_threshold]
GROUP = {strategy.name: strategy.group for strategy in STRATEGIES}
NAN, INF = math.nan, math.inf


def dump_with(*values: float, dtype: np.dtype = FLOATS[1]) -> Tensors:
    """Return three layers, of which `odd` holds the given values."""
    return {
        "odd.weight": np.array([1.0, *values, -4.0]).astype(dtype),
        "odd.bias": np.array([2.0, 0.25]).astype(dtype),
        "even.weight": np.array([[3.0, 4.0]]).astype(dtype),
        "calm.weight": np.array([0.125, 0.0]).astype(dtype),
    }


ODD = {"nan": (NAN,), "inf": (INF,), "-inf": (-INF,), "both": (INF, -INF), "all": (NAN, INF, -INF)}


def run(tensors: Tensors, strategy: str, policy: str, folder: Path, format: str = "safetensors") -> Tensors:
    """Clip under a policy, at a threshold of 1 where the strategy takes one."""
    path = save(folder, format, tensors)
    out = beside(path, format)
    clip(path, out, strategy=strategy, threshold=1.0 if strategy in WITH_THRESHOLD else None, nonfinite=policy)
    return load(out)


def agree(found: Tensors, wanted: Tensors) -> None:
    """Require the same values to one step of the dtype, and NaN and infinities in the same places."""
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        finite = np.isfinite(array.astype(np.float64))
        got, expected_there = (part[~finite].astype(np.float64) for part in (found[name], array))
        np.testing.assert_array_equal(got, expected_there, err_msg=name)
        assert ulps(found[name][finite], array[finite]) <= 1, name


@pytest.mark.parametrize(("strategy", "odd", "dtype"), crossed(NAMES, ODD, FLOATS, rounds=5), ids=str)
def test_propagate(strategy: str, odd: str, dtype: np.dtype, tmp_path: Path) -> None:
    """`propagate` does what the formula gives in IEEE arithmetic: an infinity makes the factor 0, a NaN the group NaN."""
    tensors = dump_with(*ODD[odd], dtype=dtype)
    agree(run(tensors, strategy, "propagate", tmp_path), expected(strategy, tensors, 1.0))


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("strategy", NAMES)
def test_zero(strategy: str, odd: str, tmp_path: Path) -> None:
    """`zero` replaces NaN and infinities by 0 first, and then clips as usual."""
    tensors = dump_with(*ODD[odd])
    cleaned = {name: np.nan_to_num(array, nan=0, posinf=0, neginf=0) for name, array in tensors.items()}
    agree(run(tensors, strategy, "zero", tmp_path), expected(strategy, cleaned, 1.0))


def skipped(strategy: str, tensors: Tensors) -> dict[str, Array]:
    """Apply a strategy to the groups without NaN and infinities, and to the finite elements where each is a group."""
    if GROUP[strategy] is Group.ELEMENT:
        return {
            name: np.where(np.isfinite(array), np.clip(array, -1, 1), array).astype(array.dtype)
            for name, array in tensors.items()
        }
    keys: dict[Group, Callable[[str], str]] = {Group.LAYER: layer_of, Group.TENSOR: str}
    key = keys.get(GROUP[strategy], lambda _: "")
    odd = {key(name) for name, array in tensors.items() if not np.isfinite(array).all()}
    rest = {name: array for name, array in tensors.items() if key(name) not in odd}
    return {**tensors, **(expected(strategy, rest, 1.0) if rest else {})}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("strategy", [name for name in NAMES if GROUP[name] is not Group.UNIT])
def test_skip(strategy: str, odd: str, tmp_path: Path) -> None:
    """`skip` writes a group that holds any unchanged and clips the others; element-wise it keeps those elements."""
    tensors = dump_with(*ODD[odd])
    agree(run(tensors, strategy, "skip", tmp_path), skipped(strategy, tensors))


@pytest.mark.parametrize(("strategy", "format"), crossed(NAMES, FORMATS))
def test_error(strategy: str, format: str, tmp_path: Path) -> None:
    """`error`, the default, refuses, names tensors with their counts, and writes nothing."""
    tensors = {**dump_with(NAN, NAN, INF), "even.odd": np.array([-INF, 1.0], np.float32)}
    path = save(tmp_path, format, tensors)
    with pytest.raises(GradclipError) as caught:
        clip(path, beside(path, format), strategy=strategy, threshold=1.0 if strategy in WITH_THRESHOLD else None)
    assert caught.value.exit_code == 4
    assert "odd.weight (2 NaN, 1 +Inf)" in str(caught.value)
    assert "even.odd (1 -Inf)" in str(caught.value)
    assert "even.weight" not in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_error_names_eight(tmp_path: Path) -> None:
    """Up to eight tensors are named, and the others counted."""
    path = save(tmp_path, "npz", {f"w{k}": np.array([NAN]) for k in range(11)})
    with pytest.raises(GradclipError, match="and 3 more") as caught:
        clip(path, beside(path, "npz"), strategy="none")
    assert str(caught.value).count("1 NaN") == 8


@pytest.mark.parametrize("policy", ["zero", "skip", "propagate"])
@pytest.mark.parametrize("strategy", NAMES)
def test_policies_agree_where_all_is_finite(strategy: str, policy: str, tmp_path: Path) -> None:
    """A policy changes nothing in a dump without NaN and infinities."""
    tensors = dump_with(0.5)
    agree(run(tensors, strategy, policy, tmp_path), expected(strategy, tensors, 1.0))


@pytest.mark.parametrize("dtype", [FLOATS[2], BFLOAT16], ids=str)
@pytest.mark.parametrize("odd", ODD)
def test_counts_and_figures_before(odd: str, dtype: np.dtype, tmp_path: Path) -> None:
    """A norm before is `nan` if any NaN is there, else `inf` if any infinity is; elements are counted."""
    path = save(tmp_path, "safetensors", dump_with(*ODD[odd], dtype=dtype))
    dump = clip(path, beside(path, "safetensors"), strategy="clip-by-norm", threshold=1.0, nonfinite="zero")
    report = gradclip_cli.stats(path)
    mark = "nan" if "nan" in odd or odd == "all" else "inf"
    before = {param.name: (str(param.norm_before), str(param.max_abs_before)) for param in dump.params}
    assert before["odd.weight"] == (mark, mark)
    assert before["even.weight"] == ("5.0", "4.0")
    assert str(dump.total.norm_before) == str(report.dumps[0].norm) == mark
    assert math.isfinite(dump.total.norm_after)
    assert {param.name: param.nonfinite for param in dump.params}["odd.weight"] == len(ODD[odd])
    assert report.dumps[0].nonfinite == len(ODD[odd])


@pytest.mark.parametrize("format", FORMATS)
def test_stats_never_refuse(format: str, tmp_path: Path) -> None:
    """`stats` reports NaN and infinities, counts such samples apart, and leaves them out of every figure."""
    path = save(tmp_path, format, dump_with(NAN))
    rows = {row.name: row.summary for row in gradclip_cli.stats(path).params}
    assert (rows["odd.weight"].count, rows["odd.weight"].nonfinite) == (0, 1)
    assert (rows["even.weight"].count, rows["even.weight"].mean) == (1, 5.0)


@pytest.mark.parametrize("format", FORMATS)
def test_nan_payloads_are_skipped_bit_by_bit(format: str, tmp_path: Path) -> None:
    """A group that is skipped keeps the very bits of its NaN, while another tensor of the file is clipped."""
    payload = np.array([0x7F800001, 0xFFC12345, 0x3F800000], np.uint32).view("f4")
    tensors = {"odd.w": payload, "even.w": np.array([30.0, 40.0], np.float32)}
    found = run(tensors, "clip-l2-per-param-type", "skip", tmp_path, format)
    assert all_bits({"w": found["odd.w"]}) == all_bits({"w": payload})
    assert ulps(found["even.w"], np.array([0.6, 0.8], np.float32)) <= 1
