"""A folder stands for the dumps in it; what is left out is noted."""

from pathlib import Path

import pytest

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.inputs.choices import DEFAULT, Choices
from gradclip_cli.inputs.folders import inside


def names(folder: Path, choices: Choices = DEFAULT) -> tuple[list[str], list[str]]:
    """Return the dumps in a folder, relative to it, and the kinds of notes."""
    found = inside(str(folder), choices)
    return [str(Path(path).relative_to(folder)) for path in found.paths], [note.kind for note in found.notes]


def put(folder: Path, *paths: str) -> None:
    """Make empty files, with their folders."""
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()


def test_files_of_a_folder(tmp_path: Path) -> None:
    """The files of a folder go before other folders in it, and a note names those that hold dumps."""
    put(tmp_path, "b.npz", "a.npz", "logs/x.npz")
    assert names(tmp_path) == (["a.npz", "b.npz"], ["other-folders"])


def test_folders_of_steps_and_ranks(tmp_path: Path) -> None:
    """Without files of steps, folders of steps are taken, and within them those of ranks."""
    put(tmp_path, "step_2/rank1/g.npz", "step_2/rank0/g.npz", "step_10/g.npz", "final.npz", "logs/x.npz")
    taken, kinds = names(tmp_path)
    assert taken == ["step_2/rank0/g.npz", "step_2/rank1/g.npz", "step_10/g.npz"]
    assert kinds == ["files-left-out", "other-folders"]


def test_files_of_steps_beside_folders_of_steps(tmp_path: Path) -> None:
    """Files that say their step are taken, and the folders are named."""
    put(tmp_path, "step_1.npz", "step_2/g.npz", "step_3/readme.txt")
    assert names(tmp_path) == (["step_1.npz"], ["folders-left-out"])


def test_patterns(tmp_path: Path) -> None:
    """--files chooses at every depth; where it takes nothing, the error names what is there."""
    put(tmp_path, "checkpoint-1/model.npz", "checkpoint-1/optimizer.npz", "checkpoint-2/model.npz")
    assert names(tmp_path, Choices(files=("mod*",)))[0] == ["checkpoint-1/model.npz", "checkpoint-2/model.npz"]
    with pytest.raises(UsageError, match=r"--files x\* takes none of the files in .*: model\.npz, optimizer\.npz"):
        inside(str(tmp_path), Choices(files=("x*",)))


def test_nothing_at_all(tmp_path: Path) -> None:
    """The error says what lies deeper, or what the files are, or how dumps end."""
    with pytest.raises(InputError, match=r"dumps end in \.safetensors"):
        inside(str(tmp_path), DEFAULT)
    put(tmp_path, "run/g.npz")
    with pytest.raises(InputError, match=r"give those in it that you mean: run"):
        inside(str(tmp_path), DEFAULT)
    (tmp_path / "run" / "g.npz").unlink()
    (tmp_path / "g.pt").write_bytes(b"\x80\x02")
    with pytest.raises(InputError, match="is a pickle"):
        inside(str(tmp_path), DEFAULT)
