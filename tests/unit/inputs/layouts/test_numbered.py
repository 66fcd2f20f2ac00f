"""Files that are numbered belong together, whichever of them is named."""

import pytest

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
    ((source, positions),) = numbered.FINDER.find(["x", SET[2], SET[0], "y"])
    assert (source.files, source.location, list(positions)) == (SET, SET[0], [1, 2])
    assert source.label == list(SET)


def test_outputs_keep_their_numbers() -> None:
    """All files go to the folder of the output."""
    ((source, _),) = numbered.FINDER.find([SET[0]])
    output = source.layout.output_files(source, "out/m-3-of-3.safetensors")
    assert output.files == tuple(path.replace("run/", "out/") for path in SET)
    assert source.layout.label(output.location, output.files) == list(output.files)


def test_no_tensor_is_in_two_files() -> None:
    """The same name in two files is an error of the second."""
    ((source, _),) = numbered.FINDER.find([SET[0]])
    source.layout.check(source, [["a"], ["b"], []])
    with pytest.raises(InputError, match=r"stands in m-1-of-3\.safetensors too") as caught:
        source.layout.check(source, [["a"], ["b"], ["a"]])
    assert (caught.value.path, caught.value.tensor) == (SET[2], "a")
