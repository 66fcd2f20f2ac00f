"""A slice along axis 0 is a dump: as if it lay in a file of its own, bit for bit, in every format and way of storing."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support.matrices import crossed
from support.official import BFLOAT16, FLOATS, Tensors, all_bits, load, save_as, save_deflated

from gradclip_cli import apply, check, stats
from gradclip_cli.strategies import STRATEGIES, Group
from laws.pieces import patch_pieces

ROWS = 7
SIZES = {"w": (12,), "b": (1,), "wide": (2, 4097), "block": (8192,), "none": (0,), "single": ()}
STEPS = np.arange(ROWS)[:, None] * 10 + 3


def log(dtype: Any, seed: int = 0) -> dict[str, Any]:
    """Gradients of seven steps, the later the larger: slices of less than a block, of one, of more, and of none."""
    rng = np.random.default_rng(seed)
    growing = np.arange(1, ROWS + 1)
    return {
        f"layer.{name}": (rng.standard_normal((ROWS, *shape)) * growing.reshape(ROWS, *(1 for _ in shape)) / 64).astype(
            dtype
        )
        for name, shape in SIZES.items()
    }


def save_growing(path: Path, tensors: Tensors) -> None:
    """Write a log as h5py's users do: datasets that can grow, packed in chunks of a few steps."""
    with h5py.File(path, "w") as file:
        for name, array in tensors.items():
            plain = array.view("V2") if array.dtype == BFLOAT16 else array
            chunks = (3, *(min(500, size) for size in array.shape[1:]))
            limits = (None, *array.shape[1:])
            packing = {"chunks": chunks, "compression": "gzip", "shuffle": True} if array.size else {}
            file.create_dataset(name, data=plain, maxshape=limits if array.size else None, **packing)
            if array.dtype == BFLOAT16:
                file[name].attrs["dtype"] = "bfloat16"


WAYS: dict[str, Callable[[Path, Tensors], Any]] = {
    "plain.safetensors": save_as,
    "plain.h5": save_as,
    "plain.npz": save_as,
    "growing.h5": save_growing,
    "deflated.npz": save_deflated,
}


def written(folder: Path, way: str, tensors: Tensors) -> Path:
    """Write tensors in one of the ways."""
    WAYS[way](folder / way, tensors)
    return folder / way


def alone(folder: Path, row: int, tensors: Tensors) -> Path:
    """Write one slice of the gradients as a file of its own."""
    return save_as(folder / f"alone_{row}.safetensors", {name: array[row] for name, array in tensors.items()})


def figures(dump: Any) -> list[Any]:
    """Every figure of a dump of `apply` but shapes, by tensor."""
    rows = {row.name: row._replace(shape=None) for row in dump.params if row.norm_before is not None}
    return [dump.total, {row.layer: row for row in dump.layers}, rows]


@pytest.mark.parametrize(
    ("way", "dtype", "size", "jobs"), crossed(WAYS, FLOATS, [None, 1, 100_000], [1, 3], rounds=2), ids=str
)
def test_norms_are_those_of_the_slice_alone(
    way: str, dtype: Any, size: int | None, jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slice has the norms of the same file alone to the bit, whatever is read at once; it has the step that is beside it."""
    tensors = log(dtype)
    path = written(tmp_path, way, {**tensors, "global_step": STEPS})
    if size is not None:
        patch_pieces(monkeypatch, size)
    for p in (1.0, 2.0, math.inf):
        report = stats(path, along=0, norm_type=p, void_dtype="bfloat16", jobs=jobs)
        each = [stats(alone(tmp_path, row, tensors), norm_type=p, void_dtype="bfloat16") for row in range(ROWS)]
        assert [dump.step for dump in report.dumps] == STEPS[:, 0].tolist()
        assert [dump.norm for dump in report.dumps] == [one.dumps[0].norm for one in each]
        assert [dump.max_abs for dump in report.dumps] == [one.dumps[0].max_abs for one in each]
        for row in report.params:
            own = [next(param for param in one.params if param.name == row.name).summary.max for one in each]
            assert row.summary.max == max(own)


@pytest.mark.parametrize(("way", "dtype"), crossed(WAYS, FLOATS), ids=str)
def test_norms_are_those_of_numpy(way: str, dtype: Any, tmp_path: Path) -> None:
    """The norm of a slice is that of plain numpy in float64."""
    tensors = log(dtype)
    squares = sum((array.reshape(ROWS, -1).astype(np.float64) ** 2).sum(axis=1) for array in tensors.values())
    report = stats(written(tmp_path, way, tensors), along=0, void_dtype="bfloat16")
    assert [dump.norm for dump in report.dumps] == pytest.approx(np.sqrt(squares).tolist(), rel=1e-12)
    assert [dump.step for dump in report.dumps] == list(range(ROWS))


@pytest.mark.parametrize(
    ("way", "strategy", "dtype", "size"),
    crossed(WAYS, [one.name for one in STRATEGIES if one.group is not Group.UNIT], FLOATS, [None, 1], rounds=2),
    ids=str,
)
def test_each_slice_is_clipped_as_if_alone(
    way: str, strategy: str, dtype: Any, size: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slices are written, and reported, as `apply` does with each in a file of its own; the file is as it was for the rest."""
    tensors = log(dtype)
    path = written(tmp_path, way, {**tensors, "step": STEPS[:, 0]})
    threshold = 0.5 if next(one for one in STRATEGIES if one.name == strategy).takes_threshold else None
    if size is not None:
        patch_pieces(monkeypatch, size)
    options: dict[str, Any] = {"strategy": strategy, "threshold": threshold, "void_dtype": "bfloat16"}
    report = apply(path, out := tmp_path / f"out-{way}", along=0, **options)
    found = load(out)
    assert {name: array.shape for name, array in found.items()} == {
        **{name: array.shape for name, array in tensors.items()},
        "step": (ROWS,),
    }
    for row in range(ROWS):
        own = alone(tmp_path, row, tensors)
        (expected,) = apply(own, tmp_path / "one.safetensors", overwrite=True, **options).dumps
        assert all_bits({name: found[name][row] for name in tensors}) == all_bits(load(tmp_path / "one.safetensors"))
        assert figures(report.dumps[row]) == figures(expected)


def test_a_log_stays_a_log(tmp_path: Path) -> None:
    """Chunks, compression and the limits of a growing file are the same in the output, also in its place."""
    path = written(tmp_path, "growing.h5", {**log(np.float32), "step": STEPS})
    apply(path, along=0, strategy="clip-by-global-norm", threshold=0.5, in_place=True)
    with h5py.File(path) as file:
        found = file["layer.wide"]
        assert (found.chunks, found.compression, found.maxshape) == ((3, 2, 500), "gzip", (None, 2, 4097))
    assert max(dump.norm for dump in stats(path, along=0).dumps) <= 0.5 * (1 + 2**-23)


@pytest.mark.parametrize("to", ["safetensors", "hdf5", "npz"])
@pytest.mark.parametrize("way", WAYS)
def test_a_dry_run_and_every_format_say_the_same(way: str, to: str, tmp_path: Path) -> None:
    """Figures do not depend on whether, and in which format, slices are written."""
    path = written(tmp_path, way, {**log(np.float32), "step": STEPS})
    options: dict[str, Any] = {"along": 0, "strategy": "clip-l2-per-layer", "threshold": "median"}
    dry = apply(path, dry_run=True, **options)
    wet = apply(path, tmp_path / "out", output_format=to, **options)
    assert [figures(dump) for dump in wet.dumps] == [figures(dump) for dump in dry.dumps]
    assert (
        wet.threshold
        == dry.threshold
        == stats(path, along=0, strategy="clip-l2-per-layer", rule="median").suggestions[0].threshold
    )


@pytest.mark.parametrize("way", WAYS)
def test_not_finite_slices_are_their_own(way: str, tmp_path: Path) -> None:
    """A NaN in one slice makes no other slice NaN: --nonfinite skip leaves that slice as it is and clips the others."""
    tensors = log(np.float32)
    tensors["layer.w"][2, 3], tensors["layer.wide"][4, 1, 9] = math.nan, -math.inf
    path = written(tmp_path, way, tensors)
    report = stats(path, along=0)
    assert [dump.nonfinite for dump in report.dumps] == [0, 0, 1, 0, 1, 0, 0]
    out = tmp_path / f"out-{way}"
    apply(path, out, along=0, strategy="clip-by-global-norm", threshold=0.25, nonfinite="skip")
    found = load(out)
    for row in (2, 4):
        assert all(np.array_equal(found[name][row], array[row], equal_nan=True) for name, array in tensors.items())
    assert [dump.norm <= 0.25 * (1 + 2**-23) for dump in stats(out, along=0).dumps] == [
        True,
        True,
        False,
        True,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(("way", "size", "jobs"), crossed(WAYS, [None, 1], [1, 3], rounds=2))
def test_check_finds_what_it_finds_in_files(
    way: str, size: int | None, jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checks say of a log what they say of a file for each of its steps."""
    tensors = log(np.float32)
    tensors["layer.w"][3:6] = tensors["layer.w"][3]
    tensors["layer.wide"][1:5] = tensors["layer.wide"][1] * (1 + 1e-6 * np.arange(4, dtype=np.float32)[:, None, None])
    tensors["layer.block"][2] *= np.float32(1e-41)
    tensors["layer.b"][5] = math.nan
    del tensors["layer.none"]
    (tmp_path / "run").mkdir()
    for row in range(ROWS):
        save_as(tmp_path / "run" / f"step_{row}.npz", {name: array[row] for name, array in tensors.items()})
    if size is not None:
        patch_pieces(monkeypatch, size)
    options: dict[str, Any] = {"underflow_share": 0.0, "underflow_dtype": ["stored", "float16"], "jobs": jobs}
    expected = check(tmp_path / "run", **options).findings
    found = check(written(tmp_path, way, tensors), along=0, **options).findings
    assert [one._replace(input="") for one in found] == [one._replace(input="") for one in expected]
    assert {"unchanged", "nonfinite", "underflow"} <= {one.rule for one in found}


def test_files_of_slices_are_one_series(tmp_path: Path) -> None:
    """Slices without steps of their own are of the step of their file; the last of one file is before the first of the next."""
    tensors = log(np.float32)
    for step, rows in ((20, slice(4, None)), (10, slice(0, 4))):
        save_as(tmp_path / f"step_{step}.npz", {name: array[rows] for name, array in tensors.items()})
    whole = stats(written(tmp_path, "plain.npz", tensors), along=0)
    (tmp_path / "plain.npz").unlink()
    report = stats(tmp_path, along=0, rule="zclip", strategy="clip-by-global-norm")
    assert [dump.norm for dump in report.dumps] == [dump.norm for dump in whole.dumps]
    assert [dump.step for dump in report.dumps] == [10, 10, 10, 10, 20, 20, 20]
    same = {name: array.copy() for name, array in tensors.items()}
    for array in same.values():
        array[2:6] = array[2]
    for step, rows in ((20, slice(4, None)), (10, slice(0, 4))):
        save_as(tmp_path / f"step_{step}.npz", {name: array[rows] for name, array in same.items()})
    found = [one for one in check(tmp_path, along=0).findings if one.rule == "unchanged"]
    assert {one.param for one in found} == {"w", "b", "wide", "block", "single"}
    assert all("4 dumps in a row" in one.message for one in found)


def test_shards_of_slices_are_whole_slices(tmp_path: Path) -> None:
    """A numbered set is taken apart as one dump: the norm of a slice is over all shards, whatever they hold beside it."""
    tensors = log(np.float32)
    names = [f"g-0000{k}-of-00003.safetensors" for k in (1, 2, 3)]
    save_as(tmp_path / names[0], {name: tensors[name] for name in list(tensors)[:2]})
    save_as(tmp_path / names[1], {"step": STEPS})
    save_as(tmp_path / names[2], {name: tensors[name] for name in list(tensors)[2:]})
    whole = stats(written(tmp_path, "plain.npz", {**tensors, "step": STEPS}), along=0)
    report = apply(tmp_path / names[1], tmp_path / "out", along=0, strategy="clip-by-global-norm", threshold=0.5)
    assert [dump.total.norm_before for dump in report.dumps] == [dump.norm for dump in whole.dumps]
    assert [dump.step for dump in report.dumps] == STEPS[:, 0].tolist()
    clipped = stats(tmp_path / "out" / names[0], along=0)
    assert max(dump.norm for dump in clipped.dumps) == pytest.approx(0.5, rel=1e-6)
