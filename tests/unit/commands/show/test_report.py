"""A report is of one dump, and of one tensor where one is named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.official import save_as

from gradclip_cli import ShowReport, UsageError, show


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """Write a dump in which two tensors have the same bits."""
    one = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
    return save_as(
        tmp_path / "step_7.npz", {"a.w": one, "a.v": one, "a.b": np.array([0, 9], np.float32), "n": np.array([1])}
    )


def test_one_tensor_has_values_and_no_share(dump: Path) -> None:
    """A tensor is reported alone: what was not read has no part in it."""
    report = show(dump, "a.b")
    assert (report.step, report.tensor, report.total.tensors, report.total.norm) == (7, "a.b", 1, 9.0)
    assert [(row.name, row.share) for row in report.params] == [("a.b", None)]
    assert [(row.block, row.share) for row in report.blocks] == [("a", None)]
    assert report.values is not None
    assert report.bins is not None


def test_a_pattern_that_matches_one_has_values_too(dump: Path) -> None:
    """A pattern is as good as the name of the only tensor that it matches; of several, rows are listed."""
    assert show(dump, "*b").tensor == "a.b"
    report = show(dump, "a.[wv]")
    assert (report.tensor, report.values, report.bins) == ("a.[wv]", None, None)
    assert [(row.name, row.share) for row in report.params] == [
        ("a.w", pytest.approx(0.5)),
        ("a.v", pytest.approx(0.5)),
    ]


def test_tied_tensors_count_as_the_user_says(dump: Path) -> None:
    """Tensors of the same bits count twice, with a note, or once."""
    twice, once = show(dump), show(dump, tied="once")
    assert (twice.total.tensors, once.total.tensors) == (3, 2)
    assert [note.kind for note in twice.notes] == ["tied-twice"]


def shown(path: Path, **options: Any) -> ShowReport:
    """Show the tensor `w`."""
    return show(path, "w", **options)


def test_several_steps_in_one_file_are_no_dump(tmp_path: Path) -> None:
    """A series in one file is refused, unless one tensor of one step is named."""
    path = save_as(tmp_path / "g.h5", {f"step{k}/w": np.array([k], np.float32) for k in (1, 2)})
    for given in ((path,), (path, "w")):
        with pytest.raises(UsageError, match="holds 2 steps, from 1 to 2; choose one with --step"):
            show(*given)
    for report in (show(path, "step2/w"), show(path, "w", steps=2)):
        assert (report.step, report.total.norm, report.tensor) == (2, 2.0, "w")
    assert show(path, steps=1).total.norm == 1.0


def test_several_dumps_in_a_folder_are_refused(tmp_path: Path) -> None:
    """The error gives one of them as an example."""
    for step in (1, 2):
        save_as(tmp_path / f"step_{step}.npz", {"w": np.array([1], np.float32)})
    with pytest.raises(UsageError, match=r"holds 2 dumps; give one dump, such as .*step_1\.npz"):
        show(tmp_path)
    assert show(tmp_path, steps=2).step == 2


def test_micro_batches_are_one_dump(tmp_path: Path) -> None:
    """Under --accumulate the mean of the files is shown."""
    for k in (1, 3):
        save_as(tmp_path / f"micro{k}.npz", {"w": np.array([k, -k], np.float32)})
    report = shown(tmp_path, accumulate="mean")
    assert report.values is not None
    assert (report.total.norm, report.values.positive) == (pytest.approx(8**0.5), 1)
    with pytest.raises(UsageError, match="give a directory"):
        shown(tmp_path / "micro1.npz", accumulate="mean")


def test_ranks_need_their_folder(tmp_path: Path) -> None:
    """One file is no set of ranks."""
    path = save_as(tmp_path / "rank0.npz", {"w": np.array([1], np.float32)})
    with pytest.raises(UsageError, match="give a directory of them"):
        shown(path, shards=True)
