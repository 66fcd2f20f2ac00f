"""What a user asked for becomes a plan, or wrong usage with its reason."""

import os
from pathlib import Path

import pytest

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.planning import dumps_in, into_folder, outputs_for


def test_no_input_is_wrong_usage() -> None:
    """Without an input there is nothing to do."""
    with pytest.raises(UsageError, match="at least one dump"):
        dumps_in([])


def test_a_missing_input_is_named(tmp_path: Path) -> None:
    """An input that is not there is an error of the input, with its path."""
    with pytest.raises(InputError, match="does not exist") as caught:
        dumps_in([str(tmp_path), str(tmp_path / "none.npz")])
    assert caught.value.path == str(tmp_path / "none.npz")


def test_directories_are_expanded(tmp_path: Path) -> None:
    """The dumps in a directory stand for it, of every format."""
    for name in ("a.npz", "b.h5", "c.safetensors", "d.txt"):
        (tmp_path / name).touch()
    assert [os.path.basename(path) for path in dumps_in([str(tmp_path)])] == ["a.npz", "b.h5", "c.safetensors"]


def outputs(
    *inputs: str, output: str | None = None, in_place: bool = False, dry_run: bool = False, directory: bool = False
) -> tuple[str | None, ...]:
    """Name the outputs of inputs."""
    return outputs_for(inputs, output, in_place=in_place, dry_run=dry_run, directory=directory)


def test_a_dry_run_writes_nothing() -> None:
    """Without writing there is no output for any input."""
    assert outputs("a", "b", dry_run=True) == (None, None)


@pytest.mark.parametrize(("output", "in_place"), [(None, False), ("x", True)])
def test_one_way_of_writing_is_chosen(output: str | None, in_place: bool) -> None:
    """Exactly one of -o and --in-place is asked for."""
    with pytest.raises(UsageError, match="-o OUTPUT, --in-place or --dry-run"):
        outputs("a", output=output, in_place=in_place)


def test_one_file_goes_to_the_output() -> None:
    """For one input -o is the file itself."""
    assert outputs("dir/a.npz", output="b.npz") == ("b.npz",)


def test_several_go_into_a_directory(tmp_path: Path) -> None:
    """Several outputs keep their base names, in a directory."""
    folder = str(tmp_path / "new")
    assert outputs("x/a.npz", "y/b.npz", output=folder, directory=True) == (f"{folder}/a.npz", f"{folder}/b.npz")


def test_equal_base_names_are_wrong_usage(tmp_path: Path) -> None:
    """Two inputs of one base name would overwrite each other, and nothing is made."""
    with pytest.raises(UsageError, match=r"2 inputs.*'a\.npz'"):
        outputs("x/a.npz", "y/a.npz", output=str(tmp_path / "new"), directory=True)
    assert not (tmp_path / "new").exists()


def test_in_place_each_file_is_its_own_output(tmp_path: Path) -> None:
    """In place, two names of one file are wrong usage; other files are their own output."""
    (tmp_path / "a").touch()
    (tmp_path / "b").symlink_to("a")
    first, second = str(tmp_path / "a"), str(tmp_path / "b")
    assert outputs(first, in_place=True) == (first,)
    with pytest.raises(UsageError, match="2 inputs"):
        outputs(first, second, in_place=True)


@pytest.mark.parametrize("given", [("-", "-"), ("a.npz", "-", "/dev/stdin")])
def test_standard_input_comes_once(given: tuple[str, ...]) -> None:
    """Standard input twice among the inputs, under whatever names, is wrong usage."""
    with pytest.raises(UsageError, match="only once"):
        dumps_in(given)


def test_standard_input_among_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` is an input like others, whatever lies in the working directory."""
    (tmp_path / "-").mkdir()
    (tmp_path / "a.npz").touch()
    monkeypatch.chdir(tmp_path)
    assert dumps_in(["a.npz", "-"]) == ("a.npz", "-")
    assert dumps_in(["/dev/stdin"]) == ("-",)
    assert not into_folder(["-"], ("-",))


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_standard_output_takes_one_dump(name: str) -> None:
    """`-` as an output is standard output, which takes the dump of one file, and no directory."""
    assert outputs("-", output=name) == ("-",)
    assert outputs("a", "b", output=name, dry_run=True, directory=True) == (None, None)
    with pytest.raises(UsageError, match="-o DIRECTORY"):
        outputs("a", "b", output=name, directory=True)


def test_standard_input_has_no_place_of_its_own() -> None:
    """What comes from standard input can neither be replaced nor be written under a name of its own, a piece of a dump too."""
    for piped in ("-", "a\0-"):
        with pytest.raises(UsageError, match="--in-place"):
            outputs(piped, in_place=True)
        with pytest.raises(UsageError, match="-o FILE"):
            outputs("b", piped, output="out", directory=True)
