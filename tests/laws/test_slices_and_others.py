"""What counts otherwise counts so in slices and in micro-batches: complex numbers, loss scales, tensors under two names."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from support.official import load, save_as

from gradclip_cli import apply, check, diff, stats
from gradclip_cli.errors import InputError

ROWS = 4


def complex_log(dtype: str, seed: int = 0) -> dict[str, Any]:
    """Complex gradients of four slices: of a few elements, and of more than a block."""
    rng = np.random.default_rng(seed)
    sizes = {"l.w": (3, 2), "l.wide": (9001,), "l.one": ()}
    return {
        name: (rng.standard_normal((ROWS, *shape)) + 1j * rng.standard_normal((ROWS, *shape))).astype(dtype)
        for name, shape in sizes.items()
    }


def norms_of(tensors: dict[str, Any]) -> list[float]:
    """The norm of each slice by plain numpy, over moduli in float64."""
    squares = sum((np.abs(array.astype("c16").reshape(ROWS, -1)) ** 2).sum(axis=1) for array in tensors.values())
    return np.sqrt(squares).tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("name", ["g.npz", "g.h5"])
def test_complex_slices_count_by_modulus(name: str, dtype: str, tmp_path: Path) -> None:
    """A complex slice has the norm of its moduli; factors and limits work as on the slice alone."""
    tensors = complex_log(dtype)
    path = save_as(tmp_path / name, tensors)
    assert [dump.norm for dump in stats(path, along=0).dumps] == pytest.approx(norms_of(tensors), rel=1e-12)
    for strategy, threshold in (("clip-by-global-norm", 2.0), ("clip-by-value", 0.5)):
        apply(path, tmp_path / f"out-{name}", along=0, strategy=strategy, threshold=threshold, overwrite=True)
        found = load(tmp_path / f"out-{name}")
        for row in range(ROWS):
            alone = save_as(tmp_path / "alone.npz", {key: array[row] for key, array in tensors.items()})
            apply(alone, tmp_path / "clipped.npz", strategy=strategy, threshold=threshold, overwrite=True)
            for key, array in load(tmp_path / "clipped.npz").items():
                assert np.array_equal(found[key][row], array)


def test_complex_slices_that_stay_the_same_are_found(tmp_path: Path) -> None:
    """`check` compares complex slices by the moduli of their differences."""
    tensors = complex_log("complex64")
    tensors["l.w"][1:] = tensors["l.w"][0]
    tensors["l.wide"][1:] = -tensors["l.wide"][0]  # of the same norms
    found = check(save_as(tmp_path / "g.npz", tensors), along=0).findings
    assert [(one.param, one.value) for one in found if one.rule == "unchanged"] == [("w", 4), ("wide", 3)]


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("name", ["npz", "h5"])
def test_complex_micro_batches_are_added(name: str, dtype: str, tmp_path: Path) -> None:
    """Complex gradients are accumulated in complex128, and written in their dtype."""
    parts = [complex_log(dtype, seed) for seed in range(3)]
    for number, part in enumerate(parts):
        save_as(tmp_path / f"step_1_micro_{number}.{name}", part)
    total = {key: sum(part[key].astype("c16") for part in parts) for key in parts[0]}
    (dump,) = apply(tmp_path, tmp_path / "out", accumulate="sum", strategy="none").dumps
    assert dump.total.norm_before == pytest.approx(
        np.sqrt(sum((np.abs(array) ** 2).sum() for array in total.values())), rel=1e-12
    )
    for key, array in load(tmp_path / "out" / f"step_1.{name}").items():
        assert array.dtype == dtype
        assert np.array_equal(array, total[key].astype(dtype))


def test_the_loss_scale_divides_slices(tmp_path: Path) -> None:
    """Norms, limits and thresholds of slices are in true units; what is written stays in those of the file."""
    values = np.array([[3, 4], [6, 8]], np.float32) * 1024
    path = tmp_path / "g.safetensors"
    save_file({"w": values}, path, {"loss_scale": "1024"})
    assert [dump.norm for dump in stats(path, along=0, unscale="loss_scale").dumps] == [5.0, 10.0]
    options: dict[str, Any] = {"along": 0, "unscale": 1024.0, "overwrite": True}
    report = apply(path, tmp_path / "out.npz", strategy="clip-by-global-norm", threshold=5, **options)
    assert [dump.total.norm_after for dump in report.dumps] == [5.0, 5.0]
    assert load(tmp_path / "out.npz")["w"].tolist() == [[3072, 4096], [3072, 4096]]
    apply(path, tmp_path / "out.npz", strategy="clip-by-value", threshold=4, **options)
    assert load(tmp_path / "out.npz")["w"].tolist() == [[3072, 4096], [4096, 4096]]
    near = save_as(tmp_path / "near.npz", {"w": np.full((3, 4), 2048.0) + np.arange(3)[:, None] * 1e-6})
    assert not [
        one for one in check(near, along=0, unchanged_rtol=0.0, unchanged_atol=1e-8).findings if one.rule == "unchanged"
    ]
    scaled = check(near, along=0, unscale=1024.0, unchanged_rtol=0.0, unchanged_atol=1e-8).findings
    assert [one.value for one in scaled if one.rule == "unchanged"] == [3]


def test_the_loss_scale_divides_micro_batches(tmp_path: Path) -> None:
    """All micro-batches of a step need one loss scale; the accumulated gradient is divided by it."""
    for number in (0, 1):
        save_file(
            {"w": np.array([3, 4], np.float32) * 8},
            tmp_path / f"step_1_micro_{number}.safetensors",
            {"loss_scale": "8"},
        )
    assert stats(tmp_path, accumulate="sum", unscale="loss_scale").dumps[0].norm == 10.0
    (dump,) = apply(
        tmp_path, tmp_path / "out", accumulate="mean", strategy="clip-by-value", threshold=3, unscale=8.0
    ).dumps
    assert dump.total.max_abs_after == 3.0
    assert load(tmp_path / "out" / "step_1.safetensors")["w"].tolist() == [24, 24]
    save_file({"w": np.ones(2, np.float32)}, tmp_path / "step_1_micro_1.safetensors", {"loss_scale": "4"})
    with pytest.raises(
        InputError, match=r"step_1_micro_1\.safetensors: its loss scale is 4, but that of .*micro_0.* is 8"
    ):
        stats(tmp_path, accumulate="sum", unscale="loss_scale")


@pytest.mark.parametrize("zeros", [False, True])
def test_tied_slices_count_once(zeros: bool, tmp_path: Path) -> None:
    """Tensors with the same bits in all slices are noted once, also if the first slice is zero; --tied once counts one of them."""
    values = np.arange(24, dtype=np.float32).reshape(4, 2, 3) * (np.arange(4) >= zeros)[:, None, None]
    path = save_as(tmp_path / "g.npz", {"a.w": values, "b.w": values, "c.w": values[::-1]})
    report = stats(path, along=0)
    assert [(note.kind, note.times) for note in report.notes] == [("tied-twice", 1)]
    twice = np.sqrt((2 * values.astype("f8") ** 2 + values[::-1].astype("f8") ** 2).sum(axis=(1, 2)))
    once = np.sqrt((values.astype("f8") ** 2 + values[::-1].astype("f8") ** 2).sum(axis=(1, 2)))
    assert [dump.norm for dump in report.dumps] == pytest.approx(twice.tolist(), rel=1e-12)
    tied = apply(path, tmp_path / "out.npz", along=0, strategy="clip-by-global-norm", threshold=5, tied="once")
    assert [dump.total.norm_before for dump in tied.dumps] == pytest.approx(once.tolist(), rel=1e-12)
    found = load(tmp_path / "out.npz")
    assert np.array_equal(found["a.w"], found["b.w"])
    assert not np.array_equal(found["a.w"], values)


def test_tied_micro_batches_are_noted(tmp_path: Path) -> None:
    """Tensors that are the same once they are accumulated are tied, as in any dump."""
    for number in (1, 2):
        values = np.arange(6, dtype=np.float32).reshape(2, 3) * number
        save_as(tmp_path / f"step_1_micro_{number}.npz", {"a.w": values, "b.w": values, "c.w": 2 * values})
    report = stats(tmp_path, accumulate="sum")
    assert [note.kind for note in report.notes] == ["tied-twice"]
    assert stats(tmp_path, accumulate="sum", tied="once").dumps[0].norm < report.dumps[0].norm


def test_micro_batches_are_checked_and_compared_in_series(tmp_path: Path) -> None:
    """Accumulated gradients that stay the same are found from step to step; single files that do are not enough."""
    for step in range(3):
        for number in (0, 1):
            values = np.array([1.0 + step * number, 2.0 - step * number + step], np.float32)
            save_as(tmp_path / f"step_{step}_micro_{number}.npz", {"a": np.array([2.0, 5 - number]), "b": values})
    found = check(tmp_path, accumulate="mean").findings
    assert [(one.layer, one.value) for one in found if one.rule == "unchanged"] == [("a", 3)]
    (tmp_path / "one").mkdir()
    for number in (0, 1):
        save_as(tmp_path / "one" / f"micro_{number}.h5", {"a": np.array([2.0, 5 - number]), "c": np.ones(2)})
    whole = save_as(tmp_path / "one" / "whole.safetensors", {"a": np.array([2.0, 4.5])})
    whole.rename(tmp_path / "whole.safetensors")
    report = diff(tmp_path / "one", tmp_path / "whole.safetensors", accumulate="mean")
    assert [(row.name, row.status, row.norm_a) for row in report.params] == [
        ("a", "same", pytest.approx(np.hypot(2, 4.5))),
        ("c", "only-a", pytest.approx(np.sqrt(2))),
    ]
