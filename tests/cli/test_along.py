"""`--along` and `--accumulate` at the command line: what comes out, what is said, and what is refused."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support.command import Run, Save
from support.official import load, save_as
from support.parsing import csv_rows, strict

COMMANDS = [("stats",), ("check",), ("apply", "--dry-run", "-s", "clip-by-global-norm", "-t", "1")]


def grown(path: Path, tensors: Mapping[str, Any]) -> Path:
    """Write a log whose datasets can grow."""
    with h5py.File(path, "w") as file:
        for name, values in tensors.items():
            array = np.asarray(values)
            file.create_dataset(name, data=array, maxshape=(None, *array.shape[1:]), chunks=True)
    return path


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log of three steps, of norms 5, 10 and 15."""
    monkeypatch.chdir(tmp_path)
    w = np.array([[3, 4], [6, 8], [9, 12]], np.float32)
    return grown(Path("log.h5"), {"fc/w": w, "train/global_step": [[100], [200], [300]]})


def test_each_slice_is_a_step(log: Path, run: Run) -> None:
    """Norms are those of the slices, under their steps."""
    result = run("stats", log, "--along", "0", "--by", "step", "-f", "csv", "--columns", "step,norm")
    assert (result.code, result.err) == (0, "")
    assert csv_rows(result.out) == [["step", "norm"], ["100", "5.0"], ["200", "10.0"], ["300", "15.0"]]


def test_each_slice_is_clipped(log: Path, run: Run) -> None:
    """The report has a dump for each slice, with the names of the file; the file itself keeps its shape."""
    result = run("apply", log, "--along", "0", "-s", "clip-by-global-norm", "-t", "10", "-o", "out.h5", "-f", "json")
    dumps = strict(result.out)["dumps"]
    assert [(dump["step"], dump["total"]["norm_after"]) for dump in dumps] == [(100, 5.0), (200, 10.0), (300, 10.0)]
    assert [[row["name"] for row in dump["params"]] for dump in dumps] == [
        ["fc/w", "train/global_step"],
        ["fc/w"],
        ["fc/w"],
    ]
    assert dumps[0]["params"][0]["shape"] == [2]
    assert load(Path("out.h5"))["fc/w"].tolist() == [[3, 4], [6, 8], [6, 8]]
    again = run("apply", log, "--along", "0", "-s", "clip-by-global-norm", "-t", "10", "--in-place", "-q")
    assert (again.code, again.out, again.err) == (0, "", "")
    assert load(log)["fc/w"].tolist() == [[3, 4], [6, 8], [6, 8]]


def test_the_advice_names_the_option(log: Path, run: Run) -> None:
    """The command that is suggested reads the file in the same way."""
    out = run("stats", log, "--along", "0").out
    assert out.endswith("Next: gradclip apply log.h5 -o clipped.h5 -t 10 --along 0 --dry-run\n")
    tables = run("stats", log, "--along", "0", "--by", "total").out
    assert tables.splitlines()[-1] == out.splitlines()[-1]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_log_is_not_quietly_one_dump(command: tuple[str, ...], log: Path, run: Run) -> None:
    """Without the option a note says what the file looks like, also with -q; with it there is none."""
    for quiet in ([], ["-q"]):
        result = run(*command, log, *quiet)
        assert result.err.startswith("note: log.h5: looks like a log of 3 steps")
        assert "--along 0" in result.err
    assert run(*command, log, "--along", "0").err == ""
    notes = strict(run(*command, log, "-f", "json").out)["notes"]
    assert [note["kind"] for note in notes] == ["log"]


@pytest.mark.parametrize("option", [(), ("--along", "0")])
def test_roles_are_chosen(option: tuple[str, ...], run: Run, tmp_path: Path) -> None:
    """Gradients, weights and learning rates in one log are wrong usage, until one role is chosen."""
    path = grown(tmp_path / "log.h5", {"a_g": np.ones((4, 4)), "a_p": np.ones((4, 4)), "a_lr": np.ones(4)})
    result = run("stats", path, *option)
    assert result.code == 2
    assert "several roles: *_g, *_lr, *_p; choose one, such as --include '*_g'" in result.err
    chosen = run("stats", path, *option, "--include", "*_g", "--by", "step", "-f", "csv", "--columns", "norm")
    assert chosen.code == 0
    assert csv_rows(chosen.out)[1:] == ([["2.0"]] * 4 if option else [["4.0"]])
    assert run("stats", path, *option, "--exclude", "*_lr", "--exclude", "*_p").code == 0


@pytest.mark.parametrize(
    ("tensors", "argv", "code", "reason"),
    [
        (
            {"a": np.ones((3, 2)), "b": np.ones((4, 2))},
            [],
            3,
            "g.npz: --along 0 needs one length of axis 0, but a has 3, b has 4",
        ),
        ({"a": np.ones((3, 2)), "b": np.ones((4, 2))}, ["--exclude", "b"], 0, ""),
        ({"a": np.ones((3, 2)), "s": np.float32(1)}, [], 3, "which s has not; leave it out with --exclude"),
        ({"a": np.ones((3, 2)), "s": np.float32(1)}, ["--exclude", "s"], 0, ""),
        ({"a": np.asfortranarray(np.ones((3, 2)))}, [], 3, "column-major order"),
        ({"a": np.ones((0, 2))}, [], 3, "its length is 0"),
        ({"a": np.arange(3)}, [], 3, "no float tensor to take slices of"),
        ({"a": np.ones((3, 2))}, ["--include", "b"], 2, "--include b matches no tensor"),
    ],
)
@pytest.mark.parametrize("command", COMMANDS)
def test_what_has_no_slices(
    command: tuple[str, ...], tensors: Any, argv: list[str], code: int, reason: str, run: Run, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Lengths that differ and tensors without axes are named, and can be left out."""
    monkeypatch.chdir(tmp_path)
    np.savez("g.npz", **tensors)
    result = run(*command, "g.npz", "--along", "0", *argv)
    assert result.code in ((0, 1) if code == 0 else (code,))
    assert reason in result.err
    assert len(result.err.splitlines()) <= (4 if code == 2 else 1)


def test_another_axis_is_wrong_usage(run: Run, save: Save) -> None:
    """Only axis 0 is taken apart; ranks have no whole slices."""
    path = save("g.npz", a=[[1, 2]])
    assert "--along takes axis 0 only, not 1" in run("stats", path, "--along", "1").err
    save("h.npz", a=[[1, 2]])
    result = run("stats", path, "h.npz", "--shards", "--along", "0")
    assert (result.code, "give the files without --shards" in result.err) == (2, True)


def test_nan_is_refused_by_its_step(log: Path, run: Run) -> None:
    """What is not finite is named with the step of its slice, and nothing is written."""
    with h5py.File(log, "a") as file:
        file["fc/w"][1, 0] = np.nan
    result = run("apply", log, "--along", "0", "-s", "clip-by-global-norm", "-t", "1", "-o", "out.h5")
    assert result.code == 4
    assert "log.h5: fc/w of step 200 (1 NaN)" in result.err
    assert not Path("out.h5").exists()


def test_a_log_that_was_resumed_is_said(run: Run, tmp_path: Path) -> None:
    """Steps that stand twice are all counted, in the order of the file, and a note says so."""
    path = grown(tmp_path / "log.h5", {"w": np.array([[1.0], [2], [3], [4]]), "step": [1, 2, 2, 3]})
    result = run("stats", path, "--along", "0", "--by", "step", "-f", "csv", "--columns", "step,norm")
    assert csv_rows(result.out)[1:] == [["1", "1.0"], ["2", "2.0"], ["2", "3.0"], ["3", "4.0"]]
    assert "the steps in step do not ascend" in result.err


@pytest.fixture
def micro_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Two micro-batches of two steps; their means have the norms 5 and 10."""
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    for step in (1, 2):
        for number, values in enumerate(([5, 0], [1, 8])):
            save_as(Path(f"run/step_{step}_micro_{number}.safetensors"), {"w": step * np.array(values, np.float32)})
    return "run"


@pytest.mark.parametrize(("mode", "norms"), [("mean", [5.0, 10.0]), ("sum", [10.0, 20.0])])
def test_micro_batches_are_accumulated(mode: str, norms: list[float], micro_batches: str, run: Run) -> None:
    """A step is the mean or the sum of its files, and its output is one file."""
    argv = (micro_batches, "--accumulate", mode)
    result = run("stats", *argv, "--by", "step", "-f", "csv", "--columns", "step,norm")
    assert csv_rows(result.out)[1:] == [[str(step), str(norm)] for step, norm in zip((1, 2), norms, strict=True)]
    done = run("apply", *argv, "-o", "out", "-s", "clip-by-global-norm", "-t", "5", "-f", "json")
    dumps = json.loads(done.out)["dumps"]
    assert [dump["output"] for dump in dumps] == ["out/step_1.safetensors", "out/step_2.safetensors"]
    assert [dump["input"] for dump in dumps] == [
        [f"run/step_{s}_micro_{k}.safetensors" for k in (0, 1)] for s in (1, 2)
    ]
    assert load(Path("out/step_2.safetensors"))["w"].tolist() == [3, 4]
    assert run("check", *argv, "--ignore", "dominated").code == 0


def test_without_the_option_micro_batches_are_refused(micro_batches: str, run: Run) -> None:
    """They are neither a series nor repeated steps; the options are named."""
    result = run("stats", micro_batches)
    assert result.code == 2
    assert all(option in result.err for option in ("--accumulate", "--shards", "--repeated"))


def test_one_output_of_several_files(micro_batches: str, run: Run) -> None:
    """The files of one step, given one by one, go into a file; into standard output too, and none is replaced in place."""
    files = [f"run/step_1_micro_{k}.safetensors" for k in (1, 0)]
    argv = ("apply", *files, "--accumulate", "mean", "-s", "none", "-q")
    assert run(*argv, "-o", "one.safetensors").code == 0
    assert load(Path("one.safetensors"))["w"].tolist() == [3, 4]
    assert run(*argv, "-o", "one.npz").code == 0
    assert load(Path("one.npz"))["w"].tolist() == [3, 4]
    refused = run(*argv, "--in-place")
    assert (refused.code, "none of them can be replaced" in refused.err) == (2, True)
    equal = run("diff", micro_batches, "one.npz", "--accumulate", "mean")
    assert (equal.code, "holds 2 dumps" in equal.err) == (2, True)
    assert run("apply", micro_batches, "-s", "none", "--accumulate", "median", "-o", "o").code == 2
