"""Shards of PyTorch's distributed checkpoint are one dump, whichever of them is named."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from laws.layouts import shard
from safetensors.numpy import save_file

from gradclip_cli import apply, stats
from gradclip_cli.errors import InputError
from gradclip_cli.inputs.discovery import find_dumps
from gradclip_cli.inputs.layouts import dcp

W = np.arange(12, dtype=np.float32).reshape(6, 2)
"""Its norm is the square root of 506."""


def write(folder: Path, *ranges: tuple[int, int]) -> list[str]:
    """Write rows of one tensor to the file of each rank."""
    folder.mkdir(exist_ok=True)
    return [str(shard(folder, k, {"w": ((a, 0), W[a:b])})) for k, (a, b) in enumerate(ranges, 1)]


def test_any_file_or_folder_stands_for_all(tmp_path: Path) -> None:
    """One shard, all of them, their folder, and a folder of step folders lead to the same dump."""
    files = write(tmp_path / "step-7", (0, 4), (4, 6))
    for given in ([files[1]], files, [str(tmp_path / "step-7")], [str(tmp_path)]):
        (source,) = find_dumps(given).sources
        assert (source.files, source.layout, source.step) == (tuple(files), dcp.DCP, 7)


def test_its_shape_and_norm_are_those_of_the_whole(tmp_path: Path) -> None:
    """Pieces of the same shape are no tensors of that shape, and their squares add up."""
    write(tmp_path / "run", (0, 3), (3, 6))
    (row,) = stats(tmp_path / "run").params
    assert (row.shape, row.summary.max) == ((6, 2), pytest.approx(506**0.5, rel=1e-15))


def test_a_lost_shard_leaves_holes(tmp_path: Path) -> None:
    """Where shapes show that rows are missing, the dump is refused, with the tensor."""
    files = write(tmp_path / "run", (0, 2), (2, 4), (4, 6))
    os.unlink(files[1])
    with pytest.raises(
        InputError, match=r"hold 8 of the 12 elements of shape \[6, 2\]; a file of the dump is missing"
    ) as caught:
        stats(tmp_path / "run")
    assert caught.value.tensor == "w"


def test_a_number_that_is_skipped_is_said(tmp_path: Path) -> None:
    """A rank that had nothing to write leaves a gap in the numbers, and so does a lost file with whole tensors: a note."""
    files = write(tmp_path / "run", (0, 6), (0, 6), (0, 6))
    os.unlink(files[1])
    (note,) = find_dumps([files[0]]).notes
    assert (note.kind, note.changes_figures) == ("missing-shards", True)
    assert "no shard 00002 is beside it" in note.text


def test_copies_count_once_and_are_all_written(tmp_path: Path) -> None:
    """What begins at the same place in two files is one tensor, of 5 elements of 2; each file is clipped alike."""
    copied = np.full(5, 2, np.float32)
    for rank, rows in ((1, slice(3)), (2, slice(3, 6))):
        shard(tmp_path, rank, {"w": ((rows.start or 0, 0), W[rows]), "norm": ((0,), copied)})
    report = apply(tmp_path, tmp_path / "out", strategy="clip-by-global-norm", threshold=1.0)
    (dump,) = report.dumps
    assert dump.total.norm_before == pytest.approx((506 + 20) ** 0.5, rel=1e-15)
    assert (dump.total.tensors, dump.total.elements, dump.total.clipped_elements) == (2, 17, 17)
    assert [(row.name, row.shape, row.elements) for row in dump.params] == [("norm", (5,), 5), ("w", (6, 2), 12)]
    assert stats(tmp_path / "out").dumps[0].norm == pytest.approx(1, rel=1e-6)
    assert report.notes == []


def test_copies_that_differ_are_refused(tmp_path: Path) -> None:
    """Before a copy is left out, it was seen that it is one."""
    for rank in (1, 2):
        shard(tmp_path, rank, {"norm": ((0,), np.full(5, rank, np.float32))})
    with pytest.raises(InputError, match=r"not the same as in shard-00001-model-00001-of-00001\.safetensors") as caught:
        stats(tmp_path)
    assert os.path.basename(str(caught.value.path)).startswith("shard-00002")
    stats(tmp_path, exclude=["norm"])


def test_pieces_that_overlap_are_refused(tmp_path: Path) -> None:
    """Rows that two files hold would count twice."""
    write(tmp_path / "run", (0, 4), (3, 6))
    with pytest.raises(InputError, match="overlap"):
        stats(tmp_path / "run")


def test_pieces_of_two_types_are_refused(tmp_path: Path) -> None:
    """A tensor has one dtype."""
    shard(tmp_path, 1, {"w": ((0, 0), W[:3])})
    shard(tmp_path, 2, {"w": ((3, 0), W[3:].astype(np.float16))})
    with pytest.raises(InputError, match="float16 and float32"):
        stats(tmp_path)


def test_a_tensor_that_is_left_out_has_one_row(tmp_path: Path) -> None:
    """Pieces that are not counted are listed as the tensor that they make, and written as they were."""
    write(tmp_path / "in", (0, 4), (4, 6))
    report = apply(tmp_path / "in", tmp_path / "out", strategy="none", exclude=["w"])
    assert [(row.name, row.shape, row.elements, row.norm_before) for row in report.dumps[0].params] == [
        ("w", (6, 2), 12, None)
    ]


def test_other_files_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside ten thousand other files, only those whose names look like shards are asked."""
    files = write(tmp_path, (0, 4), (4, 6))
    others = [str(tmp_path / f"step_{k}.npz") for k in range(10_000)]
    asked: list[str] = []
    monkeypatch.setattr(dcp, "header_of", asked.append)
    assert len(list(dcp.FINDER.find([*others, *files]))) == 1
    assert asked == files[:1]


def test_files_of_such_names_without_the_metadata_are_no_shards(tmp_path: Path) -> None:
    """The name alone tells nothing."""
    path = tmp_path / "shard-00001-model-00001-of-00001.safetensors"
    save_file({"w": W}, path)
    assert list(dcp.FINDER.find([str(path)])) == []


def test_a_shard_without_the_metadata_is_of_another_dump(tmp_path: Path) -> None:
    """All shards of a folder say where their pieces belong."""
    write(tmp_path, (0, 6))
    save_file({"w": W}, tmp_path / "shard-00002-model-00001-of-00001.safetensors")
    with pytest.raises(InputError, match="has no DCP_SHARDING_INFO in its metadata"):
        stats(tmp_path)


def test_a_piece_by_itself_is_said(tmp_path: Path) -> None:
    """Under another name, a shard is taken for a dump, with a note if it does not begin where its tensors begin."""
    files = write(tmp_path / "run", (0, 4), (4, 6))
    (tmp_path / "a.safetensors").write_bytes(Path(files[1]).read_bytes())
    (note,) = stats(tmp_path / "a.safetensors").notes
    assert (note.kind, note.changes_figures) == ("piece", True)
    metadata = {"DCP_SHARDING_INFO": json.dumps({"layer.9": {"saved_offsets": [0, 0]}})}
    save_file({"layer.9": W}, tmp_path / "b.safetensors", metadata)
    assert stats(tmp_path / "b.safetensors").notes == []
