"""A folder of one file a parameter is a dump, whose tensors are called like the files."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from gradclip_cli.errors import InputError
from gradclip_cli.inputs.discovery import find_dumps
from gradclip_cli.inputs.layouts import params
from gradclip_cli.inputs.source import DumpSource


@pytest.fixture
def source(tmp_path: Path) -> DumpSource:
    """A folder of two parameters."""
    folder = tmp_path / "step3"
    folder.mkdir()
    for name in ("b.w", "a.w"):
        save_file({"gradient": np.array([1], np.float32)}, folder / f"{name}.safetensors")
    (found,) = find_dumps([str(folder)]).sources
    return found


def test_a_folder_is_one_dump(source: DumpSource) -> None:
    """Its files are in natural order, its name says the step, and their names are those of the tensors."""
    assert (Path(source.location).name, source.step, source.label) == ("step3", 3, source.location)
    assert [source.layout.tensor_names(file, ["gradient"]) for file in source.files] == [["a.w"], ["b.w"]]


def test_its_files_are_those_that_were_found(source: DumpSource) -> None:
    """A file that comes or goes makes it another dump; hidden files and logs do not count."""
    folder = Path(source.location)
    (folder / ".gradclip-1").touch()
    (folder / "notes.txt").touch()
    source.layout.check_unchanged(source)
    (folder / "c.w.npz").touch()
    with pytest.raises(InputError, match="changed while it was read"):
        source.layout.check_unchanged(source)


@pytest.mark.parametrize(
    ("names", "reason"), [(["gradient", "m"], "holds gradient, m"), (["weight"], "holds weight"), ([], "holds")]
)
def test_a_file_holds_one_gradient(source: DumpSource, names: list[str], reason: str) -> None:
    """What else is in a file is named."""
    source.layout.check(source, [["gradient"], ["gradient"]])
    with pytest.raises(InputError, match=reason):
        source.layout.check(source, [["gradient"], names])


def test_a_folder_of_other_files_is_none(tmp_path: Path) -> None:
    """Files with tensors of other names, or that cannot be read, are dumps of their own."""
    save_file({"gradient": np.array([1], np.float32), "w": np.array([1], np.float32)}, tmp_path / "a.safetensors")
    (tmp_path / "b.npz").touch()
    assert not params.is_by_param([str(tmp_path / "a.safetensors")])
    assert not params.is_by_param([str(tmp_path / "b.npz")])
    assert len(find_dumps([str(tmp_path)]).sources) == 2


def test_outputs_keep_the_names_of_the_files(source: DumpSource) -> None:
    """The output is a folder with the same files."""
    output = source.layout.output_files(source, "out")
    assert (output.location, output.files) == ("out", ("out/a.w.safetensors", "out/b.w.safetensors"))
