"""Tensors are the same as in the dump before if numpy's allclose says so."""

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from numpy.typing import NDArray
from support.official import save_as
from support.tensors import gradients, stats_of

from gradclip_cli.commands.check import unchanged
from gradclip_cli.commands.check.unchanged import TensorNorms, may_be_equal
from gradclip_cli.engine.executors.threads import Threads
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.survey import measure_dump
from gradclip_cli.inputs.layouts.ranks import by_rank
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.numerics.differences import Tolerance
from gradclip_cli.numerics.dtypes import FLOAT64
from gradclip_cli.numerics.statistics_table import StatsTable

WITHIN = Tolerance(1e-5, 1e-8)
LONG = 600_000
"""More elements than are read at once."""


def same(before: Path, after: Path, within: Tolerance = WITHIN, jobs: int = 1) -> set[str]:
    """Survey two dumps and compare them."""
    with Threads(jobs) as workers:
        run = Run(Selection(), workers)
        old, new = (measure_dump(single(str(path)), unchanged.TYPES, run) for path in (before, after))
        return unchanged.unchanged(old, new, within, run)


def norms_of(array: NDArray[np.float64]) -> TensorNorms:
    """Measure one tensor."""
    return TensorNorms.of(StatsTable.of({0: stats_of(array, FLOAT64, unchanged.TYPES)}, 2))


@pytest.mark.parametrize("seed", range(40))
def test_as_allclose(seed: int, tmp_path: Path) -> None:
    """For differences about as large as the tolerance the answer is numpy's."""
    rng = np.random.default_rng(seed)
    before = rng.standard_normal(5) * 10.0 ** rng.integers(-5, 3)
    after = before + (WITHIN.atol + WITHIN.rtol * np.abs(before)) * rng.uniform(-1.05, 1.05, 5)
    paths = save_as(tmp_path / "a.npz", {"w": before}), save_as(tmp_path / "b.npz", {"w": after})
    assert (same(*paths) == {"w"}) == np.allclose(after, before, WITHIN.rtol, WITHIN.atol)


@pytest.mark.parametrize("seed", range(40))
def test_the_norms_never_hide_what_is_the_same(seed: int) -> None:
    """Whatever is the same within the tolerance passes the look at the norms."""
    rng = np.random.default_rng(seed)
    before = rng.standard_normal(100) * 10.0 ** rng.integers(-9, 3)
    after = before + (WITHIN.atol + WITHIN.rtol * np.abs(before)) * rng.choice([-1, 1]) * 0.999
    assert np.allclose(after, before, WITHIN.rtol, WITHIN.atol)
    assert may_be_equal(norms_of(before), norms_of(after), WITHIN.rtol, np.array([WITHIN.atol])).all()


@pytest.mark.parametrize("suffix", [".safetensors", ".h5", ".npz"])
@pytest.mark.parametrize("place", [0, LONG - 1])
@pytest.mark.parametrize("jobs", [1, 4])
def test_every_element_is_compared(suffix: str, place: int, jobs: int, tmp_path: Path) -> None:
    """Where only one of many elements differs, and no norm shows it, the tensor is not the same."""
    values = gradients(LONG, "float64")
    other = values.copy()
    other[place] = -other[place]
    before = save_as(tmp_path / f"a{suffix}", {"w": values, "v": values})
    after = save_as(tmp_path / f"b{suffix}", {"w": other, "v": values})
    assert same(before, after, jobs=jobs) == {"v"}


def test_whatever_the_format_and_the_order(tmp_path: Path) -> None:
    """Dumps of two formats are compared by value: packed, column-major, or of another dtype."""
    values = gradients(60_000, "float32").reshape(200, 300)
    arrays: dict[str, Any] = {"w": np.asfortranarray(values), "v": values.astype(np.float64)}
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    np.savez(tmp_path / "b.npz", **arrays)
    plain = save_as(tmp_path / "c.safetensors", {"w": values, "v": values})
    assert same(tmp_path / "a.npz", plain) == {"v", "w"}
    assert same(plain, tmp_path / "b.npz") == {"v", "w"}
    assert same(tmp_path / "a.npz", tmp_path / "b.npz") == {"v", "w"}
    turned = save_as(tmp_path / "d.safetensors", {"w": np.ascontiguousarray(values[::-1]), "v": values})
    assert same(tmp_path / "a.npz", turned) == {"v"}


def test_narrow_floats(tmp_path: Path) -> None:
    """Both sides of a narrow float are decoded, and neither over the other."""
    values = gradients(100, "bfloat16")
    flipped = values.copy()
    flipped[3] = -flipped[3]
    for name, array in (("a", values), ("b", values), ("c", flipped)):
        safetensors.numpy.save_file({"w": array.astype(ml_dtypes.bfloat16)}, tmp_path / f"{name}.safetensors")
    a, b, c = (tmp_path / f"{name}.safetensors" for name in "abc")
    assert (same(a, b), same(b, c)) == ({"w"}, set())


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_what_does_not_count(value: float, tmp_path: Path) -> None:
    """Zeros are dead rather than unchanged, and NaN and infinities are not the same as anything."""
    path = save_as(tmp_path / "a.npz", {"w": [value, value]})
    assert same(path, path) == set()


def test_other_shapes_are_not_the_same(tmp_path: Path) -> None:
    """The same elements in another shape are another tensor."""
    before, after = save_as(tmp_path / "a.npz", {"w": np.ones(6)}), save_as(tmp_path / "b.npz", {"w": np.ones((2, 3))})
    assert same(before, after) == set()


def test_below_the_absolute_tolerance_values_have_to_agree(tmp_path: Path) -> None:
    """Where all of a tensor is below the absolute tolerance, only the relative one counts."""
    arrays = {"a": [1e-9, 2e-9], "b": [1.1e-9, 2e-9], "c": [1e-9 * (1 + 1e-6), 2e-9]}
    paths = {name: save_as(tmp_path / f"{name}.npz", {"w": array}) for name, array in arrays.items()}
    assert same(paths["a"], paths["b"]) == set()
    assert same(paths["a"], paths["c"]) == {"w"}


def test_a_few_values_above_the_absolute_tolerance_do_not_make_the_others_the_same(tmp_path: Path) -> None:
    """Gradients that vanish have a few values above it; whether the tensor changes is told by most of them."""
    arrays = {"a": [3e-9, -4e-9, 12e-9], "b": [-5e-9, 4e-9, 7e-9], "c": [3e-9, -4e-9, 12e-9]}
    paths = {name: save_as(tmp_path / f"{name}.npz", {"w": array}) for name, array in arrays.items()}
    assert same(paths["a"], paths["b"]) == set()
    assert same(paths["a"], paths["c"]) == {"w"}


def test_pieces_of_several_ranks(tmp_path: Path) -> None:
    """A tensor in pieces is the same only if each of its pieces is."""
    with Threads(1) as workers:
        run, dumps = Run(Selection(), workers), []
        for step, second in ((1, 2.0), (2, 2.0), (3, -2.0)):
            paths = [
                save_as(tmp_path / f"step_{step}-rank{rank}.npz", {"w": [value, rank + 1.0]})
                for rank, value in enumerate((1.0, second))
            ]
            (source,) = by_rank([single(str(path)) for path in paths])
            dumps.append(measure_dump(source, unchanged.TYPES, run))
        assert unchanged.unchanged(dumps[0], dumps[1], WITHIN, run) == {"w"}
        assert unchanged.unchanged(dumps[1], dumps[2], WITHIN, run) == set()
