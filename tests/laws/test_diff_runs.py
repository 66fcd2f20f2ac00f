"""`diff` of two runs against plain numpy in float64: each step, and each tensor and block over all steps as one vector."""

import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support.official import Array, save

import gradclip_cli
from gradclip_cli.formats import FORMATS
from gradclip_cli.reports.diff import DiffReport

Run = dict[int, dict[str, Array]]

STEPS = (2, 3, 5, 10)
SHAPES = {"h.0.w": (40, 30), "h.0.b": (30,), "h.10.w": (9, 11), "out": (3,)}
BLOCKS = {"h.0": ["h.0.w", "h.0.b"], "h.10": ["h.10.w"], "out": ["out"]}


def run_of(seed: int) -> Run:
    """Return the gradients of each step of a run; `out` is the same in every run, and the first step of all is."""
    found: dict[int, dict[str, Array]] = {}
    for step in STEPS:
        rng = np.random.default_rng([seed if step > STEPS[0] else 0, step])
        found[step] = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in SHAPES.items()}
        found[step]["out"] = np.full(3, step, np.float32)
    return found


def folder(path: Path, format: str, run: Run) -> Path:
    """Write a dump of each step into a folder."""
    path.mkdir()
    for step, tensors in run.items():
        save(path, format, tensors, f"step_{step}")
    return path


def one_file(path: Path, format: str, run: Run) -> Path:
    """Write all steps into one file, each in a group."""
    path.mkdir()
    return save(path, format, {f"step{s}/{name}": array for s, one in run.items() for name, array in one.items()})


def expected(x: Array, y: Array) -> dict[str, Any]:
    """Compare two vectors of finite numbers that are not 0."""
    a, b, apart = (math.sqrt(math.fsum(side * side)) for side in (x, y, x - y))
    cosine = math.fsum(x * y) / (a * b)
    return {"norm_a": a, "norm_b": b, "norm_ratio": b / a, "cosine": cosine, "rel_diff": apart / min(a, b)}


def agrees(row: Any, x: Array, y: Array) -> bool:
    """Whether the figures of a row are right."""
    return all(getattr(row, key) == pytest.approx(value, rel=1e-12) for key, value in expected(x, y).items())


def flat(parts: list[Array]) -> Array:
    """Return arrays as one vector of float64."""
    return np.concatenate([part.ravel().astype(np.float64) for part in parts])


def of(run: Run, steps: tuple[int, ...], names: list[str]) -> Array:
    """Return tensors of steps as one vector."""
    return flat([run[step][name] for step in steps for name in names])


def check(found: DiffReport, a: Run, b: Run) -> None:
    """Hold every figure of a report against numpy."""
    every = list(SHAPES)
    assert found.steps is not None
    assert found.blocks is not None
    assert [(row.step, row.equal, row.differing) for row in found.steps] == [(2, True, 0)] + [
        (step, False, 3) for step in STEPS[1:]
    ]
    assert all(
        agrees(row, of(a, (step,), every), of(b, (step,), every)) for row, step in zip(found.steps, STEPS, strict=True)
    )
    assert [row.block for row in found.blocks] == list(BLOCKS)
    assert all(agrees(row, of(a, STEPS, BLOCKS[row.block]), of(b, STEPS, BLOCKS[row.block])) for row in found.blocks)
    assert all(agrees(row, of(a, STEPS, [row.name]), of(b, STEPS, [row.name])) for row in found.params)
    assert agrees(found.overall, of(a, STEPS, every), of(b, STEPS, every))
    assert {row.name: (row.status, row.first_step) for row in found.params} == {
        name: ("same", None) if name == "out" else ("differs", 3) for name in every
    }
    for row in found.blocks:
        apart = {
            step: expected(of(a, (step,), BLOCKS[row.block]), of(b, (step,), BLOCKS[row.block]))["rel_diff"]
            for step in STEPS
        }
        worst = None if row.block == "out" else max(apart, key=apart.__getitem__)
        assert row.worst_step == worst
        figures = row.worst_norm_a, row.worst_norm_b, row.worst_ratio, row.worst_cosine, row.worst_rel_diff
        if worst is None:
            assert figures == (None,) * 5
            continue
        right = expected(of(a, (worst,), BLOCKS[row.block]), of(b, (worst,), BLOCKS[row.block]))
        assert figures == pytest.approx(tuple(right.values()), rel=1e-12)
    assert found.first is not None
    assert (found.first.step, found.first.params) == (3, ["h.0.b", "h.0.w", "h.10.w"])
    assert not found.equal


@pytest.mark.parametrize("format", FORMATS)
def test_folders(format: str, tmp_path: Path) -> None:
    """Of two folders, each step is compared with the step of its number."""
    a, b = run_of(1), run_of(2)
    check(gradclip_cli.diff(folder(tmp_path / "a", format, a), folder(tmp_path / "b", "npz", b)), a, b)


@pytest.mark.parametrize("format", [name for name in FORMATS if name in ("hdf5", "safetensors")])
def test_several_steps_in_a_file(format: str, tmp_path: Path) -> None:
    """A file with a group for each step is a run, too, on either side."""
    a, b = run_of(1), run_of(2)
    inside, outside = one_file(tmp_path / "a", format, a), folder(tmp_path / "b", "safetensors", b)
    check(gradclip_cli.diff(inside, outside), a, b)
    check(gradclip_cli.diff(one_file(tmp_path / "c", format, a), one_file(tmp_path / "d", "hdf5", b)), a, b)
    assert gradclip_cli.diff(inside, folder(tmp_path / "e", "npz", a)).equal
    one = gradclip_cli.diff(inside, outside, steps="5")
    assert one.steps is None
    assert agrees(one.overall, of(a, (5,), list(SHAPES)), of(b, (5,), list(SHAPES)))


def test_the_loss_scale_of_each_step(tmp_path: Path) -> None:
    """Where the loss scale changes from step to step, sums over steps are of the gradients without it."""
    a, b = run_of(1), run_of(2)
    for name, run in (("a", a), ("b", b)):
        (tmp_path / name).mkdir()
        for step, tensors in run.items():
            scale = 2.0**step if name == "a" else 3.0
            with h5py.File(tmp_path / name / f"step_{step}.h5", "w") as file:
                file.attrs["scale"] = scale
                for key, array in tensors.items():
                    file[key] = array.astype(np.float64) * scale
    found = gradclip_cli.diff(tmp_path / "a", tmp_path / "b", unscale="scale", rtol=1e-15)
    check(found, a, b)


def test_numbers_near_the_ends_of_float64(tmp_path: Path) -> None:
    """Sums over steps neither overflow nor vanish."""
    for name, factor in (("a", 1.0), ("b", 2.0)):
        folder(
            tmp_path / name,
            "npz",
            {
                0: {"big": np.array([3e200]) * factor, "w": np.ones(1)},
                1: {"big": np.array([4e200]) * factor, "w": np.ones(1)},
            },
        )
    big, w = gradclip_cli.diff(tmp_path / "a", tmp_path / "b").params
    assert (big.norm_a, big.norm_ratio, big.rel_diff, big.cosine) == (pytest.approx(5e200, rel=1e-14), 2.0, 1.0, 1.0)
    assert (w.norm_a, w.status) == (pytest.approx(math.sqrt(2)), "same")


def test_what_is_not_finite(tmp_path: Path) -> None:
    """A step with NaN on one side has no ratio and no cosine, and neither have its tensor and block; the others have."""
    a, b = run_of(1), run_of(2)
    a[5]["h.0.b"][3] = np.nan
    found = gradclip_cli.diff(folder(tmp_path / "a", "npz", a), folder(tmp_path / "b", "safetensors", b))
    assert found.steps is not None
    assert found.blocks is not None
    steps, blocks = {row.step: row for row in found.steps}, {row.block: row for row in found.blocks}
    assert math.isnan(steps[5].norm_a or 0)
    assert (steps[5].norm_ratio, steps[5].cosine) == (None, None)
    assert math.isnan(steps[5].rel_diff or 0)
    assert agrees(steps[10], of(a, (10,), list(SHAPES)), of(b, (10,), list(SHAPES)))
    assert blocks["h.0"].worst_step == 5
    assert agrees(blocks["h.10"], of(a, STEPS, ["h.10.w"]), of(b, STEPS, ["h.10.w"]))


def test_other_tensors_in_some_steps(tmp_path: Path) -> None:
    """A tensor that one run lacks at a step has the status of that step, and the figures of those that both have."""
    a, b = run_of(1), run_of(2)
    b[5] = {name: array for name, array in b[5].items() if name != "out"}
    b[10] = {**b[10], "new": np.ones(2, np.float32)}
    found = gradclip_cli.diff(folder(tmp_path / "a", "npz", a), folder(tmp_path / "b", "npz", b))
    rows = {row.name: row for row in found.params}
    assert [(rows[name].status, rows[name].first_step) for name in ("out", "new")] == [("only-a", 5), ("only-b", 10)]
    assert agrees(rows["out"], of(a, (2, 3, 10), ["out"]), of(b, (2, 3, 10), ["out"]))
    assert rows["new"].norm_b == pytest.approx(math.sqrt(2))


@pytest.mark.parametrize("jobs", [1, 3])
def test_threads_change_no_bit(jobs: int, tmp_path: Path) -> None:
    """Figures do not depend on the number of threads, to the bit."""
    paths = folder(tmp_path / "a", "npz", run_of(1)), folder(tmp_path / "b", "npz", run_of(2))
    assert gradclip_cli.diff(*paths, jobs=jobs) == gradclip_cli.diff(*paths, jobs=2)
