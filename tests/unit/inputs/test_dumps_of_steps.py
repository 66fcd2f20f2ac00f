"""Dumps are chosen by the steps that reports name: by names, by what files say, and by the groups in them."""

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from support.official import savez

from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.choices import Choices
from gradclip_cli.inputs.discovery import find_dumps, find_side
from gradclip_cli.inputs.dumps_of_steps import of_steps
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.inputs.wanted_steps import WantedSteps

ONE = np.ones(2, np.float32)


def saved(path: Path, **metadata: str) -> str:
    """Write a dump that says something of itself, in a folder whose name holds no step."""
    path = path.parent / "run" / path.name
    path.parent.mkdir(exist_ok=True)
    safetensors.numpy.save_file({"w": ONE}, path, metadata or None)
    return str(path)


def taken(paths: list[str], steps: str, *, whole: bool = True) -> list[str]:
    """Return the base names of the dumps that are taken."""
    sources, _ = of_steps([single(path) for path in paths], WantedSteps.parse(steps), whole)
    return [Path(source.location).name for source in sources]


def test_names_hold_steps(tmp_path: Path) -> None:
    """Of files with steps in their names those in the range are taken, in the order given."""
    paths = [saved(tmp_path / f"step_{k}.safetensors") for k in (3, 1, 2)]
    assert taken(paths, "2:") == ["step_3.safetensors", "step_2.safetensors"]


def test_a_capture_is_of_the_step_that_it_says(tmp_path: Path) -> None:
    """The word of a capture goes before its name; that of another file counts only where its name holds no step."""
    capture = saved(tmp_path / "step_1.safetensors", gradclip="capture/1", step="7")
    other = saved(tmp_path / "step_2.safetensors", step="8")
    bare = saved(tmp_path / "g.safetensors", step="9")
    every = [capture, other, bare]
    assert [taken(every, step) for step in ("7", "2", "9")] == [[Path(path).name] for path in every]
    for step in ("1", "8"):
        with pytest.raises(UsageError, match="steps are 2, 7, 9"):
            taken(every, step)


def test_a_file_may_hold_steps(tmp_path: Path) -> None:
    """A file with a group for each step is taken if any of them is wanted, and refused where all of it is needed."""
    savez(tmp_path / "log.npz", **{f"step{k}/w": ONE for k in range(4)})
    path = str(tmp_path / "log.npz")
    assert taken([path], "2:9", whole=False) == ["log.npz"]
    assert taken([path], "0:3") == ["log.npz"]
    with pytest.raises(UsageError, match=r"log.npz holds steps 0-3, and this command takes whole files; .*'\*2/\*'"):
        taken([path], "2:9")


def test_what_has_no_step_is_left_out_with_a_note(tmp_path: Path) -> None:
    """A file without a step beside others is left out, and figures change by it."""
    paths = [saved(tmp_path / name) for name in ("step_1.safetensors", "final.safetensors")]
    sources, (note,) = of_steps([single(path) for path in paths], WantedSteps.parse("1"), whole_files=False)
    assert [source.location for source in sources] == paths[:1]
    assert note.text.startswith(f"{paths[1]}: has no step, so --steps leaves it out")
    assert note.changes_figures


def test_what_cannot_be_read_has_the_step_of_its_name(tmp_path: Path) -> None:
    """A damaged file is chosen by its name, so that the error is that of reading it; standard input has no step."""
    (tmp_path / "step_5.npz").write_bytes(b"PK")
    assert taken([str(tmp_path / "step_5.npz")], "5") == ["step_5.npz"]
    with pytest.raises(UsageError, match="standard input has no step"):
        taken(["-"], "5")


def test_a_folder_stands_for_the_dump_of_the_step(tmp_path: Path) -> None:
    """Where one dump is needed, the step chooses it; in a listing of all files, too."""
    for k in (1, 2, 3):
        saved(tmp_path / f"g-{k}.safetensors")
    (source,) = find_side(str(tmp_path / "run"), Choices(steps=WantedSteps.parse("2"))).sources
    assert Path(source.location).name == "g-2.safetensors"
    found = find_dumps([str(tmp_path / "run")], Choices(everything=True, steps=WantedSteps.parse("3"))).sources
    assert [Path(one.location).name for one in found] == ["g-3.safetensors"]
