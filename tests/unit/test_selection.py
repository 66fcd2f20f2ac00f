"""Patterns choose tensors; directories stand for the dumps in them."""

from pathlib import Path

import pytest

from gradclip_cli.errors import InputError
from gradclip_cli.inputs.selection import Selection, expand


@pytest.mark.parametrize(
    ("include", "exclude", "taken"),
    [
        ((), (), ["fc.weight", "fc.bias", "lstm.bias"]),
        (("fc.*",), (), ["fc.weight", "fc.bias"]),
        ((), ("*.bias",), ["fc.weight"]),
        (("fc.*", "lstm.*"), ("fc.b*",), ["fc.weight", "lstm.bias"]),
        (("FC.*",), (), []),
        (("fc.[bw]*",), (), ["fc.weight", "fc.bias"]),
    ],
)
def test_patterns_choose(include: tuple[str, ...], exclude: tuple[str, ...], taken: list[str]) -> None:
    """A tensor counts if an include matches (or there is none) and no exclude does; case matters."""
    selection = Selection(include, exclude)
    assert [name for name in ("fc.weight", "fc.bias", "lstm.bias") if selection.takes(name)] == taken


def test_files_stay_as_given(tmp_path: Path) -> None:
    """Paths that are no directories keep their order, whatever their names end in."""
    assert expand(["b.bin", "a.npz"]) == ["b.bin", "a.npz"]


def test_a_directory_is_its_dumps_in_natural_order(tmp_path: Path) -> None:
    """Of a directory, the files with a dump's suffix in any case are taken, hidden ones and others are not."""
    for name in ("step10.npz", "step9.npz", "STEP2.NPZ", "notes.txt", ".hidden.npz", "x.safetensors"):
        (tmp_path / name).touch()
    found = [Path(path).name for path in expand(["first.npz", str(tmp_path)])]
    assert found == ["first.npz", "STEP2.NPZ", "step9.npz", "step10.npz", "x.safetensors"]


def test_a_directory_without_dumps_is_an_error(tmp_path: Path) -> None:
    """A directory that holds no dump is refused, with the suffixes that are looked for."""
    with pytest.raises(InputError, match=r"no dump.*\.safetensors.*\.h5.*\.npz") as caught:
        expand([str(tmp_path)])
    assert caught.value.path == str(tmp_path)


def test_a_directory_of_directories_names_those_with_dumps(tmp_path: Path) -> None:
    """Where dumps lie one directory deeper, the error says in which."""
    for name in ("run1", "run2", "logs"):
        (tmp_path / name).mkdir()
    for name in ("run1", "run2"):
        (tmp_path / name / "grads.npz").touch()
    with pytest.raises(InputError, match=r"no dump in this directory itself.*: run1, run2$") as caught:
        expand([str(tmp_path)])
    assert caught.value.path == str(tmp_path)
