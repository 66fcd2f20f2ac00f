"""Outputs are named after the inputs, or it is wrong usage with its reason."""

import os
from pathlib import Path

import pytest

from gradclip_cli.commands.apply.outputs import outputs_for
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.layouts.ranks import RANKS
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.inputs.source import DumpSource


def outputs(
    *inputs: str, output: str | None = None, in_place: bool = False, dry_run: bool = False, directory: bool = False
) -> tuple[str | None, ...]:
    """Name the outputs of inputs."""
    sources = [single(path) for path in inputs]
    found = outputs_for(sources, output, in_place=in_place, dry_run=dry_run, directory=directory)
    return tuple(output.location if output else None for output in found)


def test_a_dry_run_writes_nothing() -> None:
    """Without writing there is no output for any input."""
    assert outputs("a", "b", dry_run=True) == (None, None)


def test_a_dry_run_refuses_what_writing_would_refuse(tmp_path: Path) -> None:
    """With -o or --in-place, a dry run is told what the run itself would be told."""
    folder, file = str(tmp_path / "new"), str(tmp_path / "new.npz")
    assert outputs("x/a", "x/b", output=folder, directory=True, dry_run=True) == (None, None)
    assert outputs("x/a", "x/b", in_place=True, dry_run=True) == (None, None)
    for inputs, output, in_place in [
        (("x/a", "x/b"), file, False),
        (("x/a", "x/b"), "-", False),
        (("x/a", "y/a"), folder, False),
        (("x/a", "x/a"), None, True),
        (("x/a", "x/b"), folder, True),
    ]:
        for dry_run in (False, True):
            with pytest.raises(UsageError):
                outputs(*inputs, output=output, in_place=in_place, directory=True, dry_run=dry_run)
    assert not list(tmp_path.iterdir())


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


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_standard_output_takes_one_dump(name: str) -> None:
    """`-` as an output is standard output, which takes the dump of one file, and no directory."""
    assert outputs("-", output=name) == ("-",)
    assert outputs("a", output=name, dry_run=True) == (None,)
    with pytest.raises(UsageError, match="-o DIRECTORY"):
        outputs("a", "b", output=name, directory=True)


def test_standard_input_has_no_place_of_its_own() -> None:
    """What comes from standard input can neither be replaced nor be written under a name of its own, a piece of a dump too."""
    for piped in (single("-"), DumpSource("a", ("a", "-"), RANKS)):
        with pytest.raises(UsageError, match="--in-place"):
            outputs_for([piped], None, in_place=True, dry_run=False, directory=False)
        with pytest.raises(UsageError, match="-o FILE"):
            outputs_for([single("b"), piped], "out", in_place=False, dry_run=False, directory=True)


def test_a_directory_takes_one_dump_in(tmp_path: Path) -> None:
    """For one input a directory that exists takes the dump in under its own name, with or without a slash."""
    folder = tmp_path / "out.npz"
    folder.mkdir()
    for output in (str(folder), f"{folder}/"):
        assert [os.path.normpath(path or "") for path in outputs("x/a.bin", output=output)] == [f"{folder}/a.bin"]
    with pytest.raises(UsageError, match="standard input has no name"):
        outputs("-", output=str(folder))


@pytest.mark.parametrize("output", ["out.pt", "out.npy", "out", ".npz", "x/out.bin", "out.npz.gz"])
def test_a_name_that_says_no_format_is_wrong_usage(output: str) -> None:
    """Another suffix, or none, would leave the reader to guess: what would do is named; a dry run is told so, too."""
    for dry_run in (False, True):
        with pytest.raises(
            UsageError, match=r"; end the name in \.safetensors, \.npz, \.h5, .*, or give --output-format"
        ):
            outputs("a.npz", output=output, dry_run=dry_run)
    found = outputs_for([single("a.npz")], output, in_place=False, dry_run=False, directory=False, output_format="npz")
    assert found[0] is not None
    assert found[0].location == output


@pytest.mark.parametrize("output", ["out.SAFETENSORS", "out.hdf5", "-", "/dev/null", "/dev/fd/2", "grads.bin"])
def test_what_is_no_new_name_needs_no_suffix(output: str) -> None:
    """A format's suffix in any case, a stream, and the input itself are right."""
    assert outputs("grads.bin", output=output) == (output,)


def test_several_dumps_need_a_directory(tmp_path: Path) -> None:
    """For several inputs the name of a file is wrong usage, whether the file exists or not; a directory may be called so."""
    name = str(tmp_path / "x.npz")
    with pytest.raises(UsageError, match="would be a directory"):
        outputs("x/a.npz", "x/b.npz", output=name, directory=True)
    (tmp_path / "x.npz").touch()
    with pytest.raises(UsageError, match="would be a directory"):
        outputs("x/a.npz", "x/b.npz", output=name, directory=True)
    (tmp_path / "x.npz").unlink()
    (tmp_path / "x.npz").mkdir()
    assert outputs("x/a.npz", "x/b.npz", output=name, directory=True) == (f"{name}/a.npz", f"{name}/b.npz")
