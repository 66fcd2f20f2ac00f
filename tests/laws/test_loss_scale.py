"""Under `--unscale` every figure is of the true gradients, and what `apply` writes stays in the units of the file."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from support.matrices import crossed
from support.oracle import norm_of
from support.parsing import told

from gradclip_cli import InputError, apply, check, diff, stats

Arrays = dict[str, NDArray[Any]]

STEPS = 6
BY_NORM = ("clip-by-global-norm", "clip-l2-per-layer", "clip-by-norm")
STRATEGIES = (*BY_NORM, "clip-by-value")


def gradients(step: int, dtype: str = "float32") -> Arrays:
    """Return the true gradients of a step, whose norms lie on both sides of 1, with one tensor of many blocks."""
    rng = np.random.default_rng(step)
    sizes = {"a.w": (130, 131), "a.b": (7,), "b.w": (5, 4), "c.w": (2, 3)}
    found = {name: rng.standard_normal(shape) * (0.02 if name == "a.w" else 0.4) for name, shape in sizes.items()}
    return {name: (array * (1 + step)).astype(dtype) for name, array in found.items()} | {"ids": np.arange(3)}


def scaled(arrays: Arrays, scale: float) -> Arrays:
    """Multiply what is a gradient, rounded as the trainer would."""
    return {name: a if a.dtype.kind == "i" else (a * scale).astype(a.dtype) for name, a in arrays.items()}


def written(path: Path, arrays: Arrays, scale: float | None = None, **metadata: str) -> Path:
    """Write a dump as it was before `unscale_`, with the loss scale in its metadata."""
    told = metadata if scale is None else {"loss_scale": f"{scale!r}", **metadata}
    save_file(arrays if scale is None else scaled(arrays, scale), path, metadata=told or None)
    return path


def series(folder: Path, scales: Mapping[int, float] | None = None, dtype: str = "float32") -> list[Path]:
    """Write a series, each step with its own loss scale or with none."""
    folder.mkdir()
    return [
        written(folder / f"step_{k}.safetensors", gradients(k, dtype), scales[k] if scales else None)
        for k in range(STEPS)
    ]


POWERS = dict(enumerate((65536.0, 65536.0, 32768.0, 0.5, 1.0, 2.0**40)))
"""Loss scales that GradScaler takes: they double, halve, and differ from step to step."""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_power_of_two_changes_no_figure(strategy: str, dtype: str, tmp_path: Path) -> None:
    """Reports of dumps times a power of two are, to the bit, those of the true gradients."""
    true, stored = series(tmp_path / "true", dtype=dtype), series(tmp_path / "stored", POWERS, dtype)
    given: dict[str, Any] = {"strategy": strategy, "tries": ("clip-by-value:0.3", "clip-l2-per-layer:median")}
    assert told(stats(stored, unscale="loss_scale", **given), tmp_path / "stored") == told(
        stats(true, **given), tmp_path / "true"
    )
    for threshold in (0.7, "mean"):
        reports = [
            apply(paths, folder / "out", strategy=strategy, threshold=threshold, unscale=unscale)
            for paths, folder, unscale in ((true, true[0].parent, None), (stored, stored[0].parent, "loss_scale"))
        ]
        assert told(reports[1], tmp_path / "stored") == told(reports[0], tmp_path / "true")
        for k, path in enumerate(true):
            plain, found = (load_file(folder.parent / "out" / path.name) for folder in (path, stored[0]))
            for name, array in scaled(plain, POWERS[k]).items():
                np.testing.assert_array_equal(found[name], array)
        for folder in (tmp_path / "true" / "out", tmp_path / "stored" / "out"):
            for path in folder.iterdir():
                path.unlink()


def test_check_and_diff_are_of_the_true_gradients(tmp_path: Path) -> None:
    """Findings and differences are, to the bit, those of the true gradients, though each dump has its own loss scale."""
    true, stored = series(tmp_path / "true"), series(tmp_path / "stored", POWERS)
    for paths, scales in ((true, None), (stored, POWERS)):
        for k in (5, 3):  # as the step between
            written(paths[k], gradients(4), scales[k] if scales else None)
    limits: dict[str, Any] = {
        "vanishing_mean": 0.05,
        "exploding_factor": 1.2,
        "spread_ratio": 2.0,
        "dominated_share": 0.3,
    }
    plain, found = check(true, **limits), check(stored, unscale="loss_scale", **limits)
    assert told(found, tmp_path / "stored") == told(plain, tmp_path / "true")
    assert {"unchanged", "vanishing", "spread", "dominated"} <= {one.rule for one in found.findings}
    for a, b in ((0, 1), (1, 2), (3, 5), (4, 5)):
        options: dict[str, Any] = {"atol": 0.3, "rtol": 0.01}
        plain_diff = diff(true[a], true[b], **options)
        found_diff = diff(stored[a], stored[b], unscale="loss_scale", **options)
        assert told(found_diff, tmp_path / "stored") == told(plain_diff, tmp_path / "true")
        assert found_diff.equal is (a >= 3)


@pytest.mark.parametrize(("strategy", "scale"), crossed(STRATEGIES, [3.0, 1e-7, 12345.678], rounds=2))
def test_any_number(strategy: str, scale: float, tmp_path: Path) -> None:
    """Norms are those of numpy over the stored elements, divided by the scale; unclipped tensors keep their bits."""
    stored = scaled(gradients(1, "float64"), scale)
    path, c = written(tmp_path / "g.safetensors", stored), 0.7
    (dump,) = apply(path, tmp_path / "out.safetensors", strategy=strategy, threshold=c, unscale=scale).dumps
    after, floats = load_file(tmp_path / "out.safetensors"), [name for name in stored if name != "ids"]
    assert dump.total.norm_before == pytest.approx(norm_of([stored[name] for name in floats]) / scale, rel=1e-12)
    assert dump.total.norm_after == pytest.approx(norm_of([after[name] for name in floats]) / scale, rel=1e-12)
    for row in dump.params:
        if row.name == "ids":
            continue
        peak = np.abs(stored[row.name]).max()
        assert row.norm_before == pytest.approx(norm_of([stored[row.name]]) / scale, rel=1e-12)
        assert (row.max_abs_before, row.max_abs_after) == (peak / scale, np.abs(after[row.name]).max() / scale)
        if strategy == "clip-by-value":
            assert row.max_abs_after is not None
            assert row.max_abs_after <= c
            np.testing.assert_allclose(after[row.name], np.clip(stored[row.name], -c * scale, c * scale), rtol=1e-15)
            assert row.clipped_elements == int((np.abs(stored[row.name]) / scale > c).sum())
        if not row.clipped:
            assert after[row.name].tobytes() == stored[row.name].tobytes()
    assert any(row.clipped for row in dump.params)


@pytest.mark.parametrize(("strategy", "rule"), crossed(STRATEGIES, ["mean", "percentile:90", "mad:1"], rounds=2))
def test_the_threshold_of_a_rule_is_that_of_apply(strategy: str, rule: str, tmp_path: Path) -> None:
    """`stats --print-threshold` is, to the bit, what `apply -t RULE` takes, whatever the loss scales."""
    paths = series(tmp_path / "run", dict(enumerate((3.0, 1e5, 7.7, 65536.0, 0.1, 1.0))))
    (suggestion,) = stats(paths, strategy=strategy, rule=rule, unscale="loss_scale").suggestions
    report = apply(paths, strategy=strategy, threshold=rule, dry_run=True, unscale="loss_scale")
    assert suggestion.threshold == report.threshold
    true = stats([written(tmp_path / f"step_{k}.safetensors", gradients(k)) for k in range(STEPS)], strategy=strategy)
    if rule == "mean":
        assert suggestion.threshold == pytest.approx(true.suggestions[0].threshold, rel=1e-6)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_scale_of_one_is_no_scale(strategy: str, tmp_path: Path) -> None:
    """With the scale 1 reports and outputs are those without the option."""
    path = written(tmp_path / "g.safetensors", gradients(2), 1.0)
    reports = [
        apply(path, tmp_path / f"{unscale}.safetensors", strategy=strategy, threshold=0.5, unscale=unscale)
        for unscale in (None, 1.0, "loss_scale")
    ]
    texts = [told(one, tmp_path)["dumps"][0] | {"output": None} for one in reports]
    assert texts[0] == texts[1] == texts[2]
    assert [one.notes for one in reports] == [[]] * 3
    outputs = [(tmp_path / f"{unscale}.safetensors").read_bytes() for unscale in (None, 1.0, "loss_scale")]
    assert outputs[0] == outputs[1] == outputs[2]


def test_norms_above_float64_as_stored(tmp_path: Path) -> None:
    """A norm that only its true value keeps in the range of float64 is right."""
    path = written(tmp_path / "g.safetensors", {"w": np.full(4, 1.5e308)})
    assert stats(path, unscale=65536.0).dumps[0].norm == 1.5e308 / 32768
    assert stats(path, unscale=3.0).dumps[0].norm == pytest.approx(1e308, rel=1e-15)


@pytest.mark.parametrize("policy", ["skip", "zero", "propagate"])
def test_what_is_not_finite(policy: str, tmp_path: Path) -> None:
    """Infinities become the threshold in the units of the file where they propagate, and zero or themselves otherwise."""
    path = written(tmp_path / "g.safetensors", {"w": np.array([1.0, np.inf, -np.inf, 40.0], np.float32)})
    apply(path, tmp_path / "o.safetensors", strategy="clip-by-value", threshold=2.0, unscale=16, nonfinite=policy)
    expected = {"skip": [1, np.inf, -np.inf, 32], "zero": [1, 0, 0, 32], "propagate": [1, 32, -32, 32]}[policy]
    np.testing.assert_array_equal(load_file(tmp_path / "o.safetensors")["w"], np.array(expected, np.float32))


def test_shards_have_one_scale(tmp_path: Path) -> None:
    """Files of one dump that say different loss scales are an error of the input that names them."""
    for k, scale in enumerate((8.0, 16.0)):
        written(tmp_path / f"rank{k}.safetensors", {"w": np.full(4, k + 1.0)}, scale)
    paths = [tmp_path / "rank0.safetensors", tmp_path / "rank1.safetensors"]
    with pytest.raises(InputError, match=r"rank1.*its loss scale is 16, but that of .*rank0.* is 8"):
        stats(paths, shards=True, unscale="loss_scale")
    assert stats(paths, shards=True, unscale=8.0).dumps[0].norm == pytest.approx(math.sqrt(4 * 1 + 4 * 16), rel=1e-12)
