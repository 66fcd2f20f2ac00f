"""A file counts once, whatever names lead to it."""

import os
import shutil
from pathlib import Path

import numpy as np

from gradclip_cli.inputs.choices import Choices
from gradclip_cli.inputs.discovery import find_dumps
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.inputs.same_file import once_each, without_copies


def files(folder: Path, **texts: str) -> list[str]:
    """Write files, and return their paths."""
    for name, text in texts.items():
        (folder / name).write_text(text)
    return [str(folder / name) for name in texts]


def test_a_name_with_a_step_goes_first(tmp_path: Path) -> None:
    """Of two links to a file the one with a step is kept, in its place; a path given twice counts once, too."""
    files(tmp_path, step_2="x", step_3="y")
    os.link(tmp_path / "step_2", tmp_path / "latest")
    sources = [single(str(tmp_path / name)) for name in ("latest", "step_3", "step_2", "step_3")]
    kept, notes = once_each(sources)
    assert [os.path.basename(source.location) for source in kept] == ["step_3", "step_2"]
    assert [note.kind for note in notes] == ["same-file", "same-file"]
    assert once_each(sources[:1]) == (sources[:1], [])


def test_what_is_not_there_is_itself(tmp_path: Path) -> None:
    """A file that cannot be looked at stays: whoever opens it says what is wrong."""
    sources = [single(str(tmp_path / name)) for name in ("a", "b")]
    assert once_each(sources) == (sources, [])
    assert without_copies([single("step_1"), *sources])[1] == []


def test_the_same_bytes_without_a_step(tmp_path: Path) -> None:
    """Only a file without a step can be a copy of one with a step; empty files are no copies of each other."""
    files(tmp_path, step_1="one", step_2="two", last="two", other="six", step_3="", none="")
    shutil.copy(tmp_path / "step_1", tmp_path / "step_4")
    names = ["step_1", "step_2", "last", "other", "step_3", "none", "step_4"]
    kept, notes = without_copies([single(str(tmp_path / name)) for name in names])
    assert [os.path.basename(source.location) for source in kept] == [name for name in names if name != "last"]
    assert [note.text for note in notes] == [
        f"{tmp_path}/last: holds the same bytes as {tmp_path}/step_2, and counts once"
    ]
    lone = [single(str(tmp_path / name)) for name in ("last", "other")]
    assert without_copies(lone) == (lone, [])


def test_what_is_listed_twice_counts_once_and_copies_stay(tmp_path: Path) -> None:
    """`ls` lists a file that is given twice once, and says so; a copy is a file of its own there."""
    for name in ("step_1.npz", "step_1 copy.npz"):
        np.savez(tmp_path / name, w=np.ones(2))
    found = find_dumps([str(tmp_path), str(tmp_path)], Choices(everything=True))
    assert sorted(os.path.basename(one.location) for one in found.sources) == ["step_1 copy.npz", "step_1.npz"]
    assert {note.kind for note in found.notes} == {"same-file"}
