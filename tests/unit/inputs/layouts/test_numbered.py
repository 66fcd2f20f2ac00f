"""Files that are numbered belong together, whichever of them is named."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from gradclip_cli.errors import InputError
from gradclip_cli.inputs.layouts import numbered
from gradclip_cli.inputs.layouts.numbered import files_of_set

SET = ("run/m-1-of-3.safetensors", "run/m-2-of-3.safetensors", "run/m-3-of-3.safetensors")


@pytest.mark.parametrize(
    "path", ["m-1-of-1.safetensors", "m-1-of-2.npz", "m.safetensors", "m-1-of-200000.safetensors", "1-of-2.safetensors"]
)
def test_other_files_are_of_no_set(path: str) -> None:
    """A set has two files or more, and not very many, and is of safetensors."""
    assert files_of_set(path) == ()


def test_a_set_is_found_once() -> None:
    """Two files of a set are one dump, in the place of the first, called by the list of all its files."""
    ((source, positions, _),) = numbered.FINDER.find(["x", SET[2], SET[0], "y"])
    assert (source.files, source.location, list(positions)) == (SET, SET[0], [1, 2])
    assert source.label == list(SET)


def test_outputs_keep_their_numbers() -> None:
    """All files go to the folder of the output."""
    ((source, _, _),) = numbered.FINDER.find([SET[0]])
    output = source.layout.output_files(source, "out/m-3-of-3.safetensors")
    assert output.files == tuple(path.replace("run/", "out/") for path in SET)
    assert source.layout.label(output.location, output.files) == list(output.files)


def test_no_tensor_is_in_two_files() -> None:
    """The same name in two files is an error of the second."""
    ((source, _, _),) = numbered.FINDER.find([SET[0]])
    source.layout.check(source, [["a"], ["b"], []])
    with pytest.raises(InputError, match=r"stands in m-1-of-3\.safetensors too") as caught:
        source.layout.check(source, [["a"], ["b"], ["a"]])
    assert (caught.value.path, caught.value.tensor) == (SET[2], "a")


def save(folder: Path, of: int, *numbers: int) -> list[str]:
    """Write files of a set, with two tensors shared out among them."""
    paths = [str(folder / f"m-{k}-of-{of}.safetensors") for k in numbers]
    for k, path in enumerate(paths):
        save_file({name: np.ones(1, np.float32) for name in (["a", "b"] if of == 1 else "ab"[k : k + 1])}, path)
    return paths


def test_two_splits_of_the_same_tensors_are_one_dump(tmp_path: Path) -> None:
    """Of two complete sets the first is taken, with a note."""
    first, second = save(tmp_path, 2, 1, 2), save(tmp_path, 3, 1, 2, 3)
    ((source, positions, notes),) = numbered.FINDER.find([*first, *second])
    assert (source.files, sorted(positions)) == (tuple(first), [0, 1, 2, 3, 4])
    assert [(note.kind, note.changes_figures) for note in notes] == [("two-splits", True)]


def test_what_is_left_of_another_split_is_left_out(tmp_path: Path) -> None:
    """A complete set is taken, with a note, wherever what is left of the other stands."""
    stale, whole = save(tmp_path, 4, 3), save(tmp_path, 2, 1, 2)
    ((source, _, notes),) = numbered.FINDER.find([*stale, *whole])
    assert source.files == tuple(whole)
    assert "m-1-of-4.safetensors" in notes[0].text


def test_two_splits_of_other_tensors_are_two_dumps(tmp_path: Path) -> None:
    """What differs in tensors is another dump, and where no set is complete, nothing is chosen."""
    first, second = save(tmp_path, 2, 1, 2), save(tmp_path, 3, 1, 2, 3)
    save_file({"c": np.ones(1, np.float32)}, second[2])
    assert len(list(numbered.FINDER.find([*first, *second]))) == 2
    Path(first[0]).unlink()
    Path(second[0]).unlink()
    assert len(list(numbered.FINDER.find([*first, *second]))) == 2


def test_numbers_may_begin_at_0(tmp_path: Path) -> None:
    """A set with a file of number 0 ends one number earlier; without that file it begins at 1."""
    first = save(tmp_path, 2, 0, 1)
    assert files_of_set(first[0]) == files_of_set(first[1]) == tuple(first)
    Path(first[0]).unlink()
    assert files_of_set(first[1]) == (first[1], str(tmp_path / "m-2-of-2.safetensors"))
