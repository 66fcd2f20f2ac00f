"""Files of one step with different tensors are one dump."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from gradclip_cli import apply, stats
from gradclip_cli.errors import GradclipError
from gradclip_cli.inputs.discovery import find_dumps
from gradclip_cli.inputs.layouts import parts


def write(path: Path, *names: str) -> str:
    """Write tensors of norm 2."""
    path.parent.mkdir(exist_ok=True, parents=True)
    save_file({name: np.ones(4, np.float32) for name in names}, path)
    return str(path)


@pytest.mark.parametrize(
    "name", ["step_3/pp_rank_{}.safetensors", "step_3_stage{}.safetensors", "checkpoint-3/model_part_{}.safetensors"]
)
def test_parts_of_a_step_are_one_dump(tmp_path: Path, name: str) -> None:
    """Files of one step, or in its folder, whose names differ in one number and which share no tensor; a note says so."""
    paths = [write(tmp_path / name.format(k), f"layers.{k}.w") for k in range(4)]
    report = stats(paths)
    assert [(dump.input, dump.step, dump.norm) for dump in report.dumps] == [(paths, 3, 4.0)]
    assert [(note.kind, note.changes_figures) for note in report.notes] == [("parts", True)]


def test_parts_without_a_step(tmp_path: Path) -> None:
    """Where the number is that of a stage or a rank, no step is needed."""
    paths = [write(tmp_path / f"stage{k}.safetensors", f"layers.{k}.w") for k in (0, 1)]
    assert [dump.input for dump in stats(tmp_path).dumps] == [paths]


@pytest.mark.parametrize("folder", ["", "step_3"])
def test_parts_in_folders_of_their_own(tmp_path: Path, folder: str) -> None:
    """Files of one name in folders of ranks are parts, too, and come out in folders of the same names."""
    paths = [write(tmp_path / "run" / folder / f"pp_rank_{k}/g.safetensors", f"layers.{k}.w") for k in range(4)]
    report = stats(tmp_path / "run")
    assert [(dump.input, dump.step, dump.norm) for dump in report.dumps] == [(paths, 3 if folder else None, 4.0)]
    (note,) = report.notes
    assert "pp_rank_0/g.safetensors: is one dump with pp_rank_1/g.safetensors, pp_rank_2/g.safetensors" in note.text
    for k, shards in enumerate((False, True)):
        apply(tmp_path / "run", tmp_path / f"out{k}", strategy="clip-by-global-norm", threshold=2.0, shards=shards)
        for rank in range(4):
            found = load_file(tmp_path / f"out{k}" / folder / f"pp_rank_{rank}/g.safetensors")
            assert found[f"layers.{rank}.w"].tolist() == [0.5] * 4


def test_parts_in_folders_of_several_steps(tmp_path: Path) -> None:
    """The folders of steps are kept, too."""
    given = [f"step_{step}/rank_{rank}/g.safetensors" for step in (1, 2) for rank in (0, 1)]
    for path in given:
        write(tmp_path / "run" / path, f"layers.{path[12]}.w")
    assert [(dump.step, dump.norm) for dump in stats(tmp_path / "run").dumps] == [(1, 8**0.5), (2, 8**0.5)]
    apply(tmp_path / "run", tmp_path / "out", strategy="none")
    assert (
        sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.safetensors")) == given
    )


def test_each_step_is_a_dump(tmp_path: Path) -> None:
    """A series of parts has a dump for each step."""
    for step in (1, 2):
        for rank in (0, 1):
            write(tmp_path / f"step_{step}_rank_{rank}.safetensors", f"layers.{rank}.w")
    assert [(dump.step, len(dump.input)) for dump in stats(tmp_path).dumps] == [(1, 2), (2, 2)]


def test_files_with_the_same_tensors_are_no_parts(tmp_path: Path) -> None:
    """They may be ranks with pieces, or micro-batches: nothing is joined, and the other steps are not even asked."""
    paths = [write(tmp_path / f"step_{step}_micro_{k}.safetensors", "w") for step in (1, 2) for k in (0, 1)]
    assert list(parts.FINDER.find(paths)) == []
    with pytest.raises(GradclipError):
        stats(paths)


def test_a_series_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No header is read where each step has one file, whose numbers are those of steps."""

    def refuse(files: object) -> bool:
        raise AssertionError(files)

    monkeypatch.setattr(parts, "disjoint_headers", refuse)
    series = [f"step_{k}.npz" for k in range(1000)], [f"g-{k}.npz" for k in range(9)], ["a.npz", "b.npz"]
    for paths in (*series, [f"checkpoint-{k}/g.npz" for k in range(9)], ["step_1/a1_b1.npz", "step_1/a2_b2.npz"]):
        assert list(parts.FINDER.find(paths)) == []


def test_only_the_first_step_tells_that_there_are_no_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once files of one step share tensors, files of the same names of other steps are not read."""
    asked = list[object]()

    def shared(files: object) -> list[object]:
        asked.append(files)
        return []

    monkeypatch.setattr(parts, "disjoint_headers", shared)
    assert list(parts.FINDER.find([f"step_{step}_rank_{rank}.npz" for step in range(9) for rank in (0, 1)])) == []
    assert asked == [("step_0_rank_0.npz", "step_0_rank_1.npz")]


def test_with_shards_they_are_files_of_ranks(tmp_path: Path) -> None:
    """The option says that all files of a step are one dump, whose norm is the same; no note is needed."""
    paths = [write(tmp_path / f"step_1_rank_{k}.safetensors", f"layers.{k}.w") for k in range(4)]
    report = stats(paths, shards=True)
    assert [dump.norm for dump in report.dumps] == [4.0]
    assert report.notes == []


def test_each_alone_is_a_dump(tmp_path: Path) -> None:
    """A part that is given alone is taken for itself."""
    paths = [write(tmp_path / f"step_1_rank_{k}.safetensors", f"layers.{k}.w") for k in range(2)]
    assert find_dumps(paths[:1]).sources[0].files == (paths[0],)


def test_parts_are_of_one_step(tmp_path: Path) -> None:
    """Files that say different steps of themselves, or that hold series, are no parts of one dump, whatever their tensors."""
    for k in (0, 1):
        for name, tensors, step in (
            ("steps", [f"w{k}"], str(k)),
            ("series", [f"step{2 * k + j}/w" for j in (1, 2)], "3"),
            ("same", [f"w{k}"], "3"),
        ):
            path = tmp_path / f"{name}_part_{k}.safetensors"
            save_file({tensor: np.ones(1) for tensor in tensors}, path, {"step": step})
    for name, expected in (("steps", 0), ("series", 0), ("same", 1)):
        paths = [str(tmp_path / f"{name}_part_{k}.safetensors") for k in (0, 1)]
        assert len(list(parts.FINDER.find(paths))) == expected
