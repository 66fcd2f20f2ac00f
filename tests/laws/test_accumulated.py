"""Micro-batches of a step are one dump: the mean or the sum of their tensors in float64, in every format."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from support.matrices import crossed
from support.official import BFLOAT16, FLOATS, Tensors, all_bits, load, save_as, save_deflated, save_hdf5
from support.oracle import expected, norm_of

from gradclip_cli import apply, check, diff, stats
from gradclip_cli.commands.apply.decisions import decide
from gradclip_cli.errors import InputError, OutputError, UsageError
from gradclip_cli.formats import FORMATS
from gradclip_cli.strategies import STRATEGIES
from laws.pieces import patch_pieces

STEPS, MICROS = (0, 7), 3
SHAPES = {
    "layer.w": (5, 7),
    "layer.b": (3,),
    "head.w": (9001,),
    "head.large": (2, 20_000),
    "head.one": (),
    "head.none": (0, 4),
}


def save_packed(path: Path, tensors: Tensors) -> None:
    """Write with h5py, every dataset of one axis or more in packed chunks."""
    many = {name: array for name, array in tensors.items() if array.ndim and array.size}
    save_hdf5(path, many, chunks=True, compression="gzip")
    with h5py.File(path, "a") as file:
        for name, array in tensors.items():
            if name not in many:
                file.create_dataset(name, data=array.view("V2") if array.dtype == BFLOAT16 else array)
                file[name].attrs["dtype"] = array.dtype.name


WAYS: dict[str, tuple[str, Callable[[Path, Tensors], Any]]] = {
    "safetensors": (".safetensors", save_as),
    "hdf5": (".h5", save_as),
    "npz": (".npz", save_as),
    "packed": (".h5", save_packed),
    "deflated": (".npz", save_deflated),
}


def micro(step: int, number: int, dtype: Any) -> dict[str, Any]:
    """The gradients of one micro-batch, and a counter that all of a step have in common."""
    rng = np.random.default_rng(100 * step + number)
    found: dict[str, Any] = {
        name: np.asarray(rng.standard_normal(shape)).astype(dtype) for name, shape in SHAPES.items()
    }
    return {**found, "count": np.array([step, 3])}


def written(folder: Path, way: str, dtype: Any) -> Path:
    """Write all micro-batches of two steps."""
    suffix, write = WAYS[way]
    (folder / "in").mkdir()
    for step in STEPS:
        for number in range(MICROS):
            write(folder / "in" / f"step_{step}_micro_{number}{suffix}", micro(step, number, dtype))
    return folder / "in"


def accumulated(step: int, mode: str, dtype: Any) -> dict[str, Any]:
    """What a step comes to by plain numpy: added in float64 in the order of the names, and divided once."""
    parts = [micro(step, number, dtype) for number in range(MICROS)]
    found = {}
    for name in SHAPES:
        total = parts[0][name].astype(np.float64)
        for part in parts[1:]:
            total = total + part[name].astype(np.float64)
        found[name] = total / MICROS if mode == "mean" else total
    return found


@pytest.mark.parametrize(
    ("way", "dtype", "mode", "size", "jobs"),
    crossed(WAYS, FLOATS, ["mean", "sum"], [None, 1], [1, 3]),
    ids=str,
)
def test_norms_are_of_the_accumulated_gradient(
    way: str, dtype: Any, mode: str, size: int | None, jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The norm of a step is that of its accumulated gradient in float64, to the bit that of a float64 file of it."""
    if size is not None:
        patch_pieces(monkeypatch, size)
    report = stats(written(tmp_path, way, dtype), accumulate=mode, void_dtype="bfloat16", jobs=jobs)
    assert [dump.step for dump in report.dumps] == list(STEPS)
    for step, dump in zip(STEPS, report.dumps, strict=True):
        whole = accumulated(step, mode, dtype)
        assert dump.norm == pytest.approx(norm_of([*whole.values()]), rel=1e-12)
        assert dump.norm == stats(save_as(tmp_path / "whole.npz", whole)).dumps[0].norm
        assert len(dump.input) == MICROS


@pytest.mark.parametrize(
    ("way", "strategy", "dtype", "mode"),
    crossed(
        WAYS,
        [one.name for one in STRATEGIES if not one.takes_weights],
        [np.dtype(np.float64), np.dtype(np.float32)],
        ["mean", "sum"],
        rounds=2,
    ),
    ids=str,
)
def test_one_dump_comes_out(way: str, strategy: str, dtype: Any, mode: str, tmp_path: Path) -> None:
    """What is written is the accumulated gradient, transformed in float64 and rounded once; figures after are of what is written."""
    threshold = 0.5 if next(one for one in STRATEGIES if one.name == strategy).takes_threshold else None
    folder, suffix = written(tmp_path, way, dtype), WAYS[way][0]
    report = apply(folder, tmp_path / "out", accumulate=mode, strategy=strategy, threshold=threshold)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"step_{step}{suffix}" for step in STEPS]
    for step, dump in zip(STEPS, report.dumps, strict=True):
        found, whole = load(tmp_path / "out" / f"step_{step}{suffix}"), accumulated(step, mode, dtype)
        assert all_bits({"count": found.pop("count")}) == all_bits({"count": np.array([step, 3])})
        for name, array in expected(strategy, whole, threshold).items():
            assert found[name].dtype == dtype
            np.testing.assert_allclose(found[name], array, rtol=1e-15 if dtype == np.float64 else 1.2e-7, atol=0)
        assert dump.total.norm_before == pytest.approx(norm_of([*whole.values()]), rel=1e-12)
        assert dump.total.norm_after == pytest.approx(norm_of([*found.values()]), rel=1e-12)
        assert dump.output == str(tmp_path / "out" / f"step_{step}{suffix}")
        assert {row.dtype for row in dump.params} == {dtype.name, "int64"}


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("mode", ["mean", "sum"])
def test_nothing_but_rounding_happens_to_what_is_not_clipped(mode: str, dtype: Any, tmp_path: Path) -> None:
    """Without a change, the output is the accumulated gradient rounded to the dtype of the files."""
    folder = written(tmp_path, "safetensors", dtype)
    apply(folder, tmp_path / "out", accumulate=mode, strategy="none")
    for step in STEPS:
        found, whole = load(tmp_path / "out" / f"step_{step}.safetensors"), accumulated(step, mode, dtype)
        narrow = dtype.itemsize == 2  # rounded from float32, as everything of 16 bits
        for name, array in whole.items():
            want = array.astype(np.float32).astype(dtype) if narrow else array.astype(dtype)
            assert all_bits({name: found[name]}) == all_bits({name: want})


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("way", WAYS)
def test_every_format_and_a_dry_run_say_the_same(way: str, to: str, tmp_path: Path) -> None:
    """Figures do not depend on whether, and in which format, the dump is written; the file holds what they say."""
    folder = written(tmp_path, way, np.dtype(np.float32))
    options: dict[str, Any] = {"accumulate": "mean", "strategy": "clip-l2-per-layer", "threshold": 0.5}
    dry = apply(folder, dry_run=True, **options)
    wet = apply(folder, tmp_path / "out", output_format=to, **options)
    assert [list(dump.params) for dump in wet.dumps] == [list(dump.params) for dump in dry.dumps]
    assert [dump.total for dump in wet.dumps] == [dump.total for dump in dry.dumps]
    again = stats(sorted((tmp_path / "out").iterdir()), input_format=to)
    assert [dump.norm for dump in again.dumps] == [dump.total.norm_after for dump in wet.dumps]


def test_metadata_and_attributes_are_those_of_the_first_file(tmp_path: Path) -> None:
    """In the same format, what a file holds besides tensors is that of the first micro-batch."""
    for number in (2, 10):
        save_file(
            {"w": np.full(3, number, np.float32)}, tmp_path / f"step_1_micro_{number}.safetensors", {"run": str(number)}
        )
    apply(tmp_path, tmp_path / "out", accumulate="sum", strategy="none")
    path = tmp_path / "out" / "step_1.safetensors"
    assert b'"run":"2"' in path.read_bytes()
    assert load_file(path)["w"].tolist() == [12.0, 12.0, 12.0]


def test_the_order_of_files_is_that_of_their_names(tmp_path: Path) -> None:
    """Sums do not depend on the order in which files are given: they are added in natural order."""
    values = [1e16, 1.0, -1e16, 1.0]
    paths = [save_as(tmp_path / f"step_1_micro_{k + 9}.npz", {"w": np.array([v])}) for k, v in enumerate(values)]
    expected = ((values[0] + values[1]) + values[2]) + values[3]
    for given in (paths, paths[::-1], [paths[2], paths[0], paths[3], paths[1]]):
        assert stats(given, accumulate="sum").dumps[0].norm == expected == 1.0


def test_excluded_gradients_are_accumulated_and_not_clipped(tmp_path: Path) -> None:
    """What --exclude leaves out is part of the accumulated dump all the same, in no norm."""
    for number in (1, 2):
        save_as(
            tmp_path / f"step_1_micro_{number}.npz", {"w": np.full(4, 3.0 * number), "emb": np.full(2, float(number))}
        )
    (dump,) = apply(
        tmp_path, tmp_path / "out", accumulate="mean", strategy="clip-by-global-norm", threshold=1, exclude=["emb"]
    ).dumps
    found = load(tmp_path / "out" / "step_1.npz")
    assert dump.total.norm_before == 9.0
    assert found["w"].tolist() == [0.5] * 4
    assert found["emb"].tolist() == [1.5, 1.5]


def test_diff_and_check_read_the_accumulated_gradient(tmp_path: Path) -> None:
    """A folder of micro-batches can be held against the gradient of the whole batch; `check` sees one dump a step."""
    (tmp_path / "in").mkdir()
    for number in (1, 2):
        save_as(tmp_path / "in" / f"step_1_micro_{number}.npz", {"w": np.array([1.0, number])})
    whole = save_as(tmp_path / "whole.safetensors", {"w": np.array([1.0, 1.5])})
    assert diff(tmp_path / "in", whole, accumulate="mean").equal
    assert not diff(whole, tmp_path / "in", accumulate="sum").equal
    report = check(tmp_path / "in", accumulate="mean", dominated_share=1.0)
    assert (report.dumps, list(report.findings)) == (1, [])


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        ({"w": np.ones(2)}, "lacks b"),
        ({"w": np.ones(2), "b": np.ones(1), "c": np.ones(1)}, "also has c"),
        ({"w": np.ones(3), "b": np.ones(1)}, r"w: is of shape \(3,\) here, and \(2,\) in"),
        ({"w": np.ones(2), "b": np.ones(1, np.float32)}, "b: is of dtype float32 here, and float64 in"),
    ],
)
def test_micro_batches_must_be_alike(others: dict[str, Any], reason: str, tmp_path: Path) -> None:
    """Other names, shapes or dtypes are an error of the input, which names the file and what differs."""
    save_as(tmp_path / "step_1_micro_1.npz", {"w": np.ones(2), "b": np.ones(1)})
    save_as(tmp_path / "step_1_micro_2.npz", others)
    with pytest.raises(InputError, match=rf"step_1_micro_2\.npz: .*{reason}"):
        stats(tmp_path, accumulate="mean")


def test_counters_that_differ_are_refused_unless_left_out(tmp_path: Path) -> None:
    """Integers are not added: they must be the same in all files, or --exclude takes those of the first; norms do not need them."""
    for number in (1, 2):
        save_as(tmp_path / f"step_1_micro_{number}.npz", {"w": np.ones(2), "micro": np.array([number])})
    assert stats(tmp_path, accumulate="sum").dumps[0].norm == math.sqrt(8)
    options: dict[str, Any] = {"accumulate": "sum", "strategy": "none"}
    with pytest.raises(InputError, match=r"micro: differs from that in .*--exclude writes that of the first file"):
        apply(tmp_path, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
    apply(tmp_path, tmp_path / "out", exclude=["micro"], **options)
    assert load(tmp_path / "out" / "step_1.npz")["micro"].tolist() == [1]


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_sum_beyond_the_dtype_is_refused(dry_run: bool, tmp_path: Path) -> None:
    """A sum that the dtype of the files cannot hold would be written as infinity: nothing is written, and the mean still is."""
    for number in (1, 2):
        save_as(tmp_path / f"step_1_micro_{number}.npz", {"w": np.full(3, 60_000, np.float16)})
    out = None if dry_run else tmp_path / "out"
    with pytest.raises(OutputError, match="w: its sum does not fit into float16: 3 elements would be infinite"):
        apply(tmp_path, out, accumulate="sum", strategy="none", dry_run=dry_run)
    assert not (tmp_path / "out").exists()
    assert (
        apply(tmp_path, out, accumulate="mean", strategy="none", dry_run=dry_run).dumps[0].total.max_abs_after == 60_000
    )
    clipped = apply(
        tmp_path, out, accumulate="sum", strategy="clip-by-value", threshold=1, dry_run=dry_run, overwrite=True
    )
    assert clipped.dumps[0].total.max_abs_before == 120_000


def test_nothing_is_replaced_in_place(tmp_path: Path) -> None:
    """There is no place for one file that comes of several."""
    for number in (1, 2):
        save_as(tmp_path / f"step_1_micro_{number}.npz", {"w": np.ones(2)})
    with pytest.raises(UsageError, match="--accumulate makes one file of several"):
        apply(tmp_path, accumulate="sum", strategy="none", in_place=True)
    with pytest.raises(UsageError, match="--along and --accumulate exclude each other"):
        stats(tmp_path, accumulate="sum", along=0)
    with pytest.raises(UsageError, match="--accumulate and --shards exclude each other"):
        stats(tmp_path, accumulate="sum", shards=True)
    with pytest.raises(UsageError, match="accumulate must be one of mean, sum"):
        stats(tmp_path, accumulate="max")
    with pytest.raises(UsageError, match="give a directory"):
        diff(tmp_path / "step_1_micro_1.npz", tmp_path / "step_1_micro_2.npz", accumulate="sum")


def test_files_that_change_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A micro-batch that is written to between the two readings is an error, whichever it is."""
    for number in (1, 2):
        save_as(tmp_path / f"step_1_micro_{number}.npz", {"w": np.ones(2)})

    def changing(*given: Any) -> Any:
        save_as(tmp_path / "step_1_micro_2.npz", {"w": np.full(2, 5.0)})
        return decide(*given)

    monkeypatch.setattr("gradclip_cli.commands.apply.flow.decide", changing)
    with pytest.raises(InputError, match=r"step_1_micro_2\.npz: changed while it was read"):
        apply(tmp_path, tmp_path / "out", accumulate="sum", strategy="none")
