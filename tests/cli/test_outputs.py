"""Where outputs go, and what is left of what was there."""

import os
import stat
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from support.command import Run, Save

HALVE = ["-s", "clip-by-norm", "-t", "2.5", "-q"]
"""Halves [3, 4]."""


@pytest.fixture
def grads(save: Save) -> Path:
    """Write `g.safetensors` with a gradient of norm 5."""
    return save(w=[3.0, 4.0])


def values(path: str | Path) -> list[float]:
    """Read the tensor `w` of a dump."""
    if Path(path).suffix == ".npz":
        with np.load(path) as archive:
            return [float(x) for x in archive["w"]]
    return [float(x) for x in safetensors.numpy.load_file(path)["w"]]


def names(folder: str = ".") -> list[str]:
    """List a folder, hidden files too."""
    return sorted(os.listdir(folder))


def test_in_place(grads: Path, run: Run) -> None:
    """--in-place replaces the input by its output, of the same mode."""
    grads.chmod(0o640)
    assert run("apply", grads, "--in-place", *HALVE).code == 0
    assert values(grads) == [1.5, 2.0]
    assert stat.S_IMODE(grads.stat().st_mode) == 0o640
    assert names() == ["g.safetensors"]


@pytest.mark.parametrize("where", [["--in-place"], ["-o", "g.safetensors", "--overwrite"]])
def test_in_place_keeps_the_format(where: list[str], grads: Path, run: Run) -> None:
    """A file that is replaced by itself keeps its format: another one is wrong usage, before anything is written."""
    refused = run("apply", grads, *where, "--output-format", "npz", *HALVE)
    assert (refused.code, values(grads), names()) == (2, [3.0, 4.0], ["g.safetensors"])
    assert refused.err.splitlines()[-1].startswith("Error: g.safetensors is safetensors and stays so in its place; ")
    assert run("apply", grads, *where, "--output-format", "safetensors", *HALVE).code == 0
    assert values(grads) == [1.5, 2.0]


def test_in_place_follows_links(grads: Path, run: Run) -> None:
    """A symbolic link stays one: the file behind it is replaced."""
    Path("link.safetensors").symlink_to(grads)
    assert run("apply", "link.safetensors", "--in-place", *HALVE).code == 0
    assert Path("link.safetensors").is_symlink()
    assert values(grads) == [1.5, 2.0]


def test_in_place_twice_the_same(grads: Path, run: Run) -> None:
    """Two inputs that are one file are one dump, which is replaced once."""
    Path("link.safetensors").symlink_to(grads)
    result = run("apply", grads, "link.safetensors", "--in-place", *HALVE)
    assert (result.code, values(grads)) == (0, [1.5, 2.0])


def test_in_place_replaces_all_or_none(grads: Path, save: Save, run: Run) -> None:
    """Nothing is replaced before everything is measured: one bad dump leaves all as they were."""
    save("bad.safetensors", w=[np.nan])
    assert run("apply", grads, "bad.safetensors", "--in-place", *HALVE).code == 4
    assert values(grads) == [3.0, 4.0]


def test_existing_output_is_kept(grads: Path, run: Run) -> None:
    """An existing file is refused with exit 5, and replaced with --overwrite."""
    Path("out.safetensors").write_bytes(b"old")
    assert run("apply", grads, "-o", "out.safetensors", *HALVE).code == 5
    assert Path("out.safetensors").read_bytes() == b"old"
    assert run("apply", grads, "-o", "out.safetensors", "--overwrite", *HALVE).code == 0
    assert values("out.safetensors") == [1.5, 2.0]


def test_output_onto_the_input(grads: Path, run: Run) -> None:
    """With --overwrite the output may be the input itself."""
    assert run("apply", grads, "-o", grads, "--overwrite", *HALVE).code == 0
    assert values(grads) == [1.5, 2.0]


def test_an_output_that_is_the_input_says_so(grads: Path, run: Run) -> None:
    """Without --overwrite the refusal names what it is, an input, and the option that is meant for that; links count, too."""
    Path("run").mkdir()
    for step in (1, 2):
        Path(f"run/step_{step}.safetensors").write_bytes(grads.read_bytes())
    Path("link.safetensors").symlink_to(grads)
    for argv in (["run", "-o", "run"], [grads, "-o", grads], [grads, "-o", "link.safetensors"]):
        result = run("apply", *argv, *HALVE)
        assert result.code == 5
        assert result.err.endswith(": is the input itself; write elsewhere, or give --in-place to replace it\n")
    assert values(grads) == values("run/step_1.safetensors") == [3.0, 4.0]


def test_mode_of_a_new_file(grads: Path, run: Run) -> None:
    """A new file has the mode that the umask gives."""
    old = os.umask(0o027)
    try:
        assert run("apply", grads, "-o", "out.safetensors", *HALVE).code == 0
    finally:
        os.umask(old)
    assert stat.S_IMODE(Path("out.safetensors").stat().st_mode) == 0o640


def test_outputs_that_are_one_file(save: Save, run: Run) -> None:
    """A link in the directory of outputs that leads to another output is refused: the last would replace the first."""
    save("a.npz", w=[3.0, 4.0])
    save("b.npz", w=[6.0, 8.0])
    Path("out").mkdir()
    Path("out/a.npz").symlink_to("b.npz")
    done = run("apply", "a.npz", "b.npz", "-o", "out", "--overwrite", *HALVE)
    assert done.code == 5
    assert "the same file" in done.err
    assert names("out") == ["a.npz"]


def test_directory_of_outputs(save: Save, run: Run) -> None:
    """For several inputs -o is a directory, made if missing; base names are kept."""
    save("b.safetensors", w=[6.0, 8.0])
    save("a.npz", w=[3.0, 4.0])
    assert run("apply", "b.safetensors", "a.npz", "-o", "out", *HALVE).code == 0
    assert names("out") == ["a.npz", "b.safetensors"]
    assert values("out/a.npz") == [1.5, 2.0]
    assert values("out/b.safetensors") == [1.5, 2.0]


def test_directory_of_inputs(save: Save, run: Run) -> None:
    """A directory stands for the dumps in it, also if there is only one; other files are not touched."""
    Path("steps").mkdir()
    save("steps/step1.npz", w=[3.0, 4.0])
    Path("steps/notes.txt").write_text("no dump")
    assert run("apply", "steps", "-o", "out", *HALVE).code == 0
    assert names("out") == ["step1.npz"]
    assert values("out/step1.npz") == [1.5, 2.0]


def test_existing_directory_of_outputs(save: Save, run: Run) -> None:
    """One existing file in the directory refuses them all, before anything is written."""
    paths = [save(f"step{k}.npz", w=[3.0, 4.0]) for k in range(3)]
    Path("out").mkdir()
    Path("out/step2.npz").write_bytes(b"old")
    assert run("apply", *paths, "-o", "out", *HALVE).code == 5
    assert names("out") == ["step2.npz"]
    assert run("apply", *paths, "-o", "out", "--overwrite", *HALVE).code == 0
    assert values("out/step2.npz") == [1.5, 2.0]


def test_equal_base_names(save: Save, run: Run) -> None:
    """Equal base names are wrong usage, and no directory is made."""
    for folder in ("a", "b"):
        Path(folder).mkdir()
        save(f"{folder}/g.npz", w=[1.0])
    assert run("apply", "a", "b", "-o", "out", *HALVE).code == 2
    assert names() == ["a", "b"]


@pytest.mark.parametrize(
    ("output", "options", "head"),
    [
        ("out.npz", [], b"PK"),
        ("out.h5", [], b"\x89HDF"),
        ("out.hdf5", [], b"\x89HDF"),
        ("OUT.NPZ", [], b"PK"),
        ("out", ["--output-format", "hdf5"], b"\x89HDF"),
        ("out.npz", ["--output-format", "hdf5"], b"\x89HDF"),
        ("out.dump", ["--output-format", "safetensors"], (56).to_bytes(8, "little")),
    ],
)
def test_output_format(output: str, options: list[str], head: bytes, grads: Path, run: Run) -> None:
    """The format is that of --output-format, else that of the suffix."""
    assert run("apply", grads, "-o", output, *options, *HALVE).code == 0
    found = Path(output).read_bytes()[: len(head)]
    assert found == (grads.read_bytes()[:8] if output == "out.dump" else head)


def test_input_format_is_told_by_content(grads: Path, run: Run) -> None:
    """A dump is read by its content, whatever its name says."""
    grads.rename("g.npz")
    assert run("apply", "g.npz", "-o", "out.safetensors", *HALVE).code == 0
    assert values("out.safetensors") == [1.5, 2.0]


def test_missing_parent(grads: Path, run: Run) -> None:
    """The directory of an output must exist: exit 5."""
    assert run("apply", grads, "-o", "no/out.safetensors", *HALVE).code == 5
    assert names() == ["g.safetensors"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_that_is_read_only(grads: Path, run: Run) -> None:
    """A folder that nobody may write to is exit 5."""
    Path("locked").mkdir(mode=0o555)
    assert run("apply", grads, "-o", "locked/out.safetensors", *HALVE).code == 5


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_input_that_cannot_be_read(grads: Path, run: Run) -> None:
    """An input that may not be read is exit 3."""
    grads.chmod(0)
    assert run("apply", grads, "-o", "out.safetensors", *HALVE).code == 3


def test_fifo_is_written_to(grads: Path, spawn: Run) -> None:
    """A FIFO needs no --overwrite, and is written to rather than replaced."""
    os.mkfifo("pipe")
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    result = spawn("apply", grads, "-o", "pipe", *HALVE)
    with os.fdopen(reader, "rb") as file:
        Path("copy.safetensors").write_bytes(file.read())
    assert (result.code, result.err) == (0, "")
    assert stat.S_ISFIFO(Path("pipe").stat().st_mode)
    assert values("copy.safetensors") == [1.5, 2.0]
