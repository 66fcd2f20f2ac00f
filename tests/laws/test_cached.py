"""What comes from the cache is what reading would give: the same bytes in every format of a report, for every layout."""

import os
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from safetensors.numpy import save_file
from support.cache import counted_reads, used_cache
from support.memory_store import MemoryFile, memory_store, upload_folder
from support.official import savez

from gradclip_cli import render, report, stats
from gradclip_cli.engine.memory import packed_tensors
from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.render import RENDERERS
from gradclip_cli.render.view import View
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.spec_table import SpecTable
from laws.layouts import ARRAYS, WRITERS

Arrays = dict[str, np.ndarray]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path) -> Iterator[Path]:
    """The cache of this test alone."""
    with used_cache(tmp_path / "cache") as path:
        yield path


def texts(found: StatsReport) -> dict[str, str]:
    """A report in every format, without the number of dumps that came from the cache."""
    shown = {}
    for format in RENDERERS:
        stream = StringIO()
        render.write(found._replace(cached=None), stream, View(format))
        shown[format] = stream.getvalue()
    return shown


def hold(paths: Sequence[Path], dumps: int, **options: Any) -> None:
    """See that a second call reads no elements, and says what a call without the cache says."""
    expected = stats(paths, **options)
    first = stats(paths, **options, cache=True)
    with counted_reads() as read:
        second = stats(paths, **options, cache=True)
    assert (first.cached, second.cached, read) == (0, dumps, [])
    assert texts(first) == texts(second) == texts(expected)


@pytest.mark.parametrize("layout", WRITERS)
def test_every_layout(layout: str, tmp_path: Path) -> None:
    """Dumps of every layout are kept, and no element of them is read again."""
    folder = tmp_path / "run"
    folder.mkdir()
    given = WRITERS[layout](folder)
    expected = stats(given.paths, **given.options)
    first = stats(given.paths, **given.options, cache=True)
    with counted_reads() as read:
        second = stats(given.paths, **given.options, cache=True)
    assert second.cached == len(given.dumps)
    assert read == []
    assert texts(first) == texts(second) == texts(expected)


def steps(folder: Path, *arrays: Arrays) -> Path:
    """Write a file for each step into a folder."""
    folder.mkdir()
    for k, step in enumerate(arrays, 1):
        save_file(step, folder / f"step_{k}.safetensors", {"loss_scale": "8"} if folder.name == "scaled" else None)
    return folder


def scaled(*factors: float) -> list[Arrays]:
    """The same tensors times some factors."""
    return [{name: array * np.float32(factor) for name, array in ARRAYS.items()} for factor in factors]


BAD = {**ARRAYS, "layers.1.weight": np.array([[1, np.inf], [np.nan, 2]], np.float32)}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"norm_type": 3.0, "unscale": "loss_scale", "include": ["*weight"], "keep_going": True},
        {"tries": ["clip-by-value:0.5", "clip_grad_norm_:1"], "skip_steps": 1, "allow_missing": True},
        {"steps": "2:", "group_depth": 1, "norm_type": float("inf")},
    ],
    ids=str,
)
def test_options_and_what_is_not_finite(options: dict[str, Any], tmp_path: Path) -> None:
    """What the user asks for, and the places of what is not finite, are the same."""
    folder = steps(
        tmp_path / "scaled", *scaled(1, 2, 300), {**BAD, "layers.1.weight": ARRAYS["layers.1.weight"] * np.nan}
    )
    hold([folder], 3 if {"steps", "skip_steps"} & options.keys() else 4, **options)


FILLING = np.full((3, 2), 9.9692099683868690e36, np.float32)
SAID: Arrays = {**BAD, "exp_avg.w": np.ones((3, 2), np.float32), "model.w": FILLING}
"""Tensors of which notes have something to say."""


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"include": ["*weight"]}, True),
        ({"include": ["layers.0.*", "model*"], "exclude": ["*bias"], "norm_type": 3.0}, True),
        ({"exclude": ["exp_avg*"], "tries": ["clip-by-value:0.5"]}, True),
        ({"exclude": ["*weight", "model.w"], "tied": "once", "steps": "2:"}, True),
        ({"exclude": ["*"]}, True),
        ({"include": ["*weight"], "along": 0}, False),
    ],
    ids=str,
)
def test_some_tensors_of_all(options: dict[str, Any], kept: bool, tmp_path: Path) -> None:
    """Tensors are chosen from those of a reading of all, with the same notes; the largest is looked at, and slices are read."""
    own = {"model.w": SAID["layers.0.weight"]} if "along" in options else {}
    folder = steps(tmp_path / "run", {**SAID, **own}, {**ARRAYS, "exp_avg.w": FILLING, "model.w": FILLING[:, :1]})
    if "along" in options:
        folder = steps(tmp_path / "sliced", *({"a.weight": ARRAYS["layers.0.weight"]} for _ in range(2)))
    every = {name: one for name, one in options.items() if name not in ("include", "exclude", "steps")}
    stats(folder, **every, allow_missing=True, cache=True)
    expected = stats(folder, **options, allow_missing=True)
    found = stats(folder, **options, allow_missing=True, cache=True)
    assert (texts(found), found.cached) == (texts(expected), len(found.dumps) * kept)
    with counted_reads() as read:
        assert texts(stats(folder, **options, allow_missing=True, cache=True)) == texts(expected)
    assert read == []


def test_a_pattern_that_matches_nothing_is_refused(tmp_path: Path) -> None:
    """Patterns are checked where nothing is read."""
    folder = steps(tmp_path / "run", *scaled(1, 2))
    stats(folder, cache=True)
    with pytest.raises(UsageError, match="--include"):
        stats(folder, include=["none"], cache=True)


@pytest.mark.parametrize("layout", WRITERS)
def test_some_tensors_of_every_layout(layout: str, tmp_path: Path) -> None:
    """What a layout does not say of some tensors is read, and the report is the same."""
    folder = tmp_path / "run"
    folder.mkdir()
    given = WRITERS[layout](folder)
    some: dict[str, Any] = {"include": ["*layers*0*"], "exclude": ["*bias"]}
    stats(given.paths, **given.options, cache=True)
    assert texts(stats(given.paths, **given.options, **some, cache=True)) == texts(
        stats(given.paths, **given.options, **some)
    )


def test_what_some_tensors_are_read_for(tmp_path: Path) -> None:
    """Pickled objects, marks of no gradients and steps in a file are read again for a part of their tensors."""
    savez(tmp_path / "g.npz", w=np.ones((2, 2)), v=np.ones(3), names=np.array([{}, None], object))
    save_file(
        {f"step{k}/{name}": np.full(3, k, np.float32) for k in (1, 2) for name in "ab"}, tmp_path / "s.safetensors"
    )
    with h5py.File(tmp_path / "m.h5", "w") as file:
        data = file.create_dataset("a", data=np.ones((2, 2), np.float32))
        file.create_dataset("axis", data=np.arange(2.0)).make_scale("axis")
        data.dims[0].attach_scale(file["axis"])
    patterns: dict[str, dict[str, Any]] = {
        "g.npz": {"exclude": ["names"]},
        "s.safetensors": {"include": ["*a"]},
        "m.h5": {"include": ["a*"]},
    }
    for name, some in patterns.items():
        stats(tmp_path / name, cache=True)
        expected = stats(tmp_path / name, **some)
        found = [stats(tmp_path / name, **some, cache=True) for _ in range(2)]
        assert [bool(one.cached) for one in found] == [False, True]
        assert texts(found[0]) == texts(found[1]) == texts(expected)


def test_weights_and_units(tmp_path: Path) -> None:
    """Weights are read each time, and so are gradients where the norms of their units are asked for; figures are the same."""
    folder, own = steps(tmp_path / "run", *scaled(1, 2)), tmp_path / "own.safetensors"
    save_file(scaled(3)[0], own)
    for tries, kept in (["clip_grad_norm_:1"], 2), (["agc:0.1"], 0):
        expected = stats(folder, weights=own, tries=tries)
        found = [stats(folder, weights=own, tries=tries, cache=True) for _ in range(2)]
        assert [one.cached for one in found] == [0, kept]
        assert texts(found[0]) == texts(found[1]) == texts(expected)


def test_a_file_of_steps_of_slices_and_of_marks(tmp_path: Path) -> None:
    """Steps in a file, slices along axis 0, and scales of dimensions are kept as they are."""
    with h5py.File(tmp_path / "run.h5", "w") as file:
        for step in (1, 2):
            data = file.create_dataset(f"step{step}/a.w", data=np.array([[1, np.nan], [3, step]], np.float32))
            file.create_dataset(f"step{step}/axis", data=np.arange(2.0)).make_scale("axis")
            data.dims[0].attach_scale(file[f"step{step}/axis"])
    savez(tmp_path / "log.npz", w=np.array([[1, 2.0], [np.inf, 4], [5, 6]]), step=np.array([3, 5, 9]))
    hold([tmp_path / "run.h5"], 2)
    hold([tmp_path / "log.npz"], 3, along=0)
    hold([tmp_path / "log.npz"], 1)


def test_some_steps_of_a_file_are_not_taken_for_all(tmp_path: Path) -> None:
    """A file of which only some steps were wanted is read again for the others; the other way round it need not be."""
    save_file({f"step{k}/w": np.full(3, k, np.float32) for k in (1, 2, 3)}, tmp_path / "run.safetensors")
    assert [dump.step for dump in stats(tmp_path, steps="2", cache=True).dumps] == [2]
    whole = stats(tmp_path, cache=True)
    some = stats(tmp_path, steps="2:", cache=True)
    assert (whole.cached, len(whole.dumps)) == (0, 3)
    assert ([dump.step for dump in some.dumps], texts(some)) == ([2, 3], texts(stats(tmp_path, steps="2:")))


def test_tensors_in_columns_are_kept(tmp_path: Path) -> None:
    """The tensors of a large header come back as columns, as they were."""
    columns = packed_tensors.unpacked_tensors(packed_tensors.packed_tensors(table := _table()))
    assert isinstance(columns, SpecTable)
    assert list(columns) == list(table)


def _table() -> SpecTable:
    from gradclip_cli.numerics.dtypes import BFLOAT16, FLOAT32
    from gradclip_cli.spec_table import Columns

    codes = np.array([0, 1, 0], np.int16), ((2, 3), ()), np.array([0, 0, 1], np.int32)
    return SpecTable(
        Columns(["a\0b", "é", "c"], (FLOAT32, BFLOAT16), *codes, np.array([0, 24, 36]), np.array([6, 6, 1]))
    )


def test_one_more_step_is_all_that_is_read(tmp_path: Path) -> None:
    """After one more step, only that is opened, and the largest slice of a step that is larger than all before."""
    folder = steps(tmp_path / "run", *scaled(1, 2, 3))
    stats(folder, cache=True)
    new = folder / "step_4.safetensors"
    save_file(scaled(0.5)[0], new)
    with counted_reads() as read:
        found = stats(folder, cache=True)
    assert (found.cached, read) == (3, [str(new)])
    assert texts(found) == texts(stats(folder))


def test_a_change_that_hides_is_seen(tmp_path: Path) -> None:
    """A file of the same size, inode and time of change is read again after it was written to."""
    folder = steps(tmp_path / "run", *scaled(1, 2))
    path = folder / "step_1.safetensors"
    before = stats(folder, cache=True)
    was = path.stat()
    save_file(scaled(5)[0], tmp_path / "other")
    with path.open("r+b") as file:
        file.write((tmp_path / "other").read_bytes())
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    now = path.stat()
    assert (now.st_size, now.st_ino, now.st_mtime_ns) == (was.st_size, was.st_ino, was.st_mtime_ns)
    after = stats(folder, cache=True)
    assert (after.cached, after.dumps[0].norm) == (1, stats(path).dumps[0].norm)
    assert after.dumps[0].norm > before.dumps[0].norm


def test_what_was_just_written_is_not_kept(tmp_path: Path) -> None:
    """A file that may yet change without any sign is read again."""
    save_file(ARRAYS, tmp_path / "g.safetensors")
    with used_cache(tmp_path / "other", at_once=False):
        assert [stats(tmp_path / "g.safetensors", cache=True).cached for _ in range(2)] == [0, 0]


def test_notes_name_files_as_they_are_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dumps are found under any name of their folder, but those whose notes hold another name are read again."""
    savez(tmp_path / "g.npz", w=np.ones((2, 2)), names=np.array(["a", "b"]))
    folder = steps(tmp_path / "run", *scaled(1, 2))
    stats([tmp_path / "g.npz"], cache=True, include=["w"])
    stats(folder, cache=True)
    monkeypatch.chdir(tmp_path)
    assert stats("run", cache=True).cached == 2
    for _ in range(2):
        assert texts(stats("g.npz", cache=True)) == texts(stats("g.npz"))


def test_objects_are_told_by_their_tags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dumps in a store are kept as those of this machine; one that was replaced is read again."""
    folder, read = steps(tmp_path / "run", *scaled(1, 2)), list[str]()
    read_into = MemoryFile.read_into

    def counted(self: MemoryFile, offset: int, out: Any) -> None:
        read.append(self.path)
        read_into(self, offset, out)

    monkeypatch.setattr(MemoryFile, "read_into", counted)
    with memory_store() as store:
        upload_folder(store, folder, "memory://b/run")
        first = stats("memory://b/run", cache=True)
        read.clear()
        assert texts(stats("memory://b/run", cache=True)) == texts(first)
        assert read == []
        store.files["memory://b/run/step_1.safetensors"] = store.files["memory://b/run/step_2.safetensors"]
        assert stats("memory://b/run", cache=True, repeated="keep").cached == 1


def test_errors_are_raised_each_time(tmp_path: Path) -> None:
    """What cannot be read is kept nowhere."""
    folder = steps(tmp_path / "run", *scaled(1, 2))
    (folder / "step_2.safetensors").write_bytes(b"no dump")
    for _ in range(2):
        with pytest.raises(InputError):
            stats(folder, cache=True)


def test_the_other_run_of_a_report(tmp_path: Path) -> None:
    """`report` takes the run that it is held against from the cache."""
    folder = steps(tmp_path / "run", *scaled(1, 2))
    stats(folder, cache=True)
    found = report(folder, against=folder, cache=True)
    assert found.against is not None
    assert (found.against.cached, found.stats.cached) == (2, 0)
