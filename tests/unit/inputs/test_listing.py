"""What is in a folder: files that end like dumps, folders, and links that lead to nothing."""

from pathlib import Path

import pytest

from gradclip_cli.errors import InputError
from gradclip_cli.inputs.listing import dump_files, folders_with_dumps, is_folder, is_step_folder, listed


def test_a_listing(tmp_path: Path) -> None:
    """Entries are in natural order; hidden ones and files of other endings are left out, folders are no files."""
    for name in ("g10.npz", "g9.H5", ".hidden.npz", "notes.txt", "a.marked"):
        (tmp_path / name).touch()
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "dead.npz").symlink_to("nothing")
    (tmp_path / "live.npz").symlink_to("g10.npz")
    found = listed(str(tmp_path), (".marked",))
    assert [Path(path).name for path in found.files] == ["a.marked", "g9.H5", "g10.npz", "live.npz"]
    assert [Path(path).name for path in found.folders] == ["folder.npz"]
    assert [Path(path).name for path in found.dead_links] == ["dead.npz"]
    assert len(dump_files(str(tmp_path))) == 3
    assert is_folder(str(tmp_path))
    assert not is_folder("-")


def test_a_folder_that_cannot_be_listed(tmp_path: Path) -> None:
    """The error names the folder."""
    with pytest.raises(InputError) as caught:
        listed(str(tmp_path / "none"))
    assert caught.value.path == str(tmp_path / "none")


def test_folders_of_steps() -> None:
    """A folder is one of a step by its name, or as a bare number, unless it is not written to the end."""
    assert all(is_step_folder(f"run/{name}") for name in ("step_1", "checkpoint-5", "100", "epoch_2"))
    assert not any(is_step_folder(f"run/{name}") for name in ("logs", "tmp-checkpoint-5", "step_5.tmp", "v2"))


def test_folders_with_dumps(tmp_path: Path) -> None:
    """Only folders that hold dumps are named."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    (tmp_path / "two" / "g.npz").touch()
    assert folders_with_dumps([str(tmp_path / "one"), str(tmp_path / "two")]) == ["two"]
