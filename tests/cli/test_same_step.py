"""Runs as people have them: what is taken for a dump, what is left out, and that both are said."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from support.command import Run, Save

GLOBAL = ("-s", "clip-by-global-norm")


@pytest.fixture
def put(save: Save) -> Any:
    """Write dumps of one tensor whose norm is given, in folders that are made."""

    def put(**norms: float) -> None:
        for path, norm in norms.items():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            save(path, **{"fc.w": np.array([norm, 0.0], np.float32)})

    return put


def dumps(run: Run, *argv: str) -> list[tuple[str, int | None, float]]:
    """Name, step and norm of each dump in a report."""
    result = run("stats", *argv, "-f", "json")
    assert result.code == 0, result.err
    return [(dump["input"], dump["step"], dump["norm"]) for dump in json.loads(result.out)["dumps"]]


def kinds(run: Run, *argv: str) -> list[str]:
    """The kinds of notes of a report."""
    return [note["kind"] for note in json.loads(run("stats", *argv, "-f", "json").out)["notes"]]


@pytest.fixture
def checkpoints(put: Any) -> None:
    """Two checkpoints with gradients beside a model and an optimizer."""
    for step in (500, 1000):
        put(**{f"out/checkpoint-{step}/gradients.npz": step / 100, f"out/checkpoint-{step}/model.npz": 77.0})
        put(**{f"out/checkpoint-{step}/optimizer.npz": 99.0})


def test_gradients_are_taken_beside_weights(checkpoints: None, run: Run) -> None:
    """Of several kinds of files those called after gradients are taken, from a folder and from a glob, and a note says so."""
    expected = [("out/checkpoint-500/gradients.npz", 500, 5.0), ("out/checkpoint-1000/gradients.npz", 1000, 10.0)]
    files = sorted(map(str, Path("out").rglob("*.npz")))
    assert dumps(run, "out") == dumps(run, *files) == expected
    result = run("stats", "out")
    assert "note: out/checkpoint-500: gradients.npz is taken, since it is called after gradients" in result.err
    assert "model.npz, optimizer.npz" in result.err
    assert kinds(run, "out") == ["other-kinds"]
    assert run("apply", "out", "-o", "new", *GLOBAL, "-t", "1").code == 0
    assert sorted(str(path) for path in Path("new").rglob("*.npz")) == [
        "new/checkpoint-1000/gradients.npz",
        "new/checkpoint-500/gradients.npz",
    ]


def test_files_are_chosen(checkpoints: None, run: Run) -> None:
    """--files takes files by their base names, in folders and of those given; a pattern that takes none is wrong usage."""
    expected = [("out/checkpoint-500/model.npz", 500, 77.0), ("out/checkpoint-1000/model.npz", 1000, 77.0)]
    assert dumps(run, "out", "--files", "model*") == expected
    assert dumps(run, *sorted(map(str, Path("out").rglob("*.npz"))), "--files", "model*") == expected
    for argv in (["out"], ["out/checkpoint-500/model.npz"]):
        result = run("stats", *argv, "--files", "x*")
        assert (result.code, "--files x* takes none of" in result.err) == (2, True)
    assert run("check", "out", "--files", "model*", "--ignore", "unchanged").code == 0
    assert run("diff", "out/checkpoint-500", "out/checkpoint-1000", "--files", "model*").code == 0
    assert run("diff", "out/checkpoint-500", "out/checkpoint-1000").code == 1
    listed = json.loads(run("ls", "out", "--files", "opt*", "-f", "json").out)["tensors"]
    assert [row["input"] for row in listed] == [f"out/checkpoint-{step}/optimizer.npz" for step in (500, 1000)]
    assert len(json.loads(run("ls", "out", "-f", "json").out)["tensors"]) == 6


@pytest.mark.parametrize("command", ["stats out", "check out", "apply out -o new -s clip-by-global-norm -t 1"])
def test_kinds_that_cannot_be_told_are_refused(command: str, checkpoints: None, run: Run) -> None:
    """Where nothing is called after gradients, the kinds are listed, and the option that chooses is named."""
    for path in Path("out").rglob("gradients.npz"):
        path.unlink()
    result = run(*command.split())
    assert result.code == 2
    assert "out/checkpoint-500 holds several kinds of files of one step: model.npz, optimizer.npz" in result.err
    assert "--files 'model*'" in result.err


def test_weights_are_never_clipped_for_want_of_gradients(checkpoints: None, put: Any, run: Run) -> None:
    """A step that lacks the gradients that others have is left out, and so never written, with a note that -q does not hide."""
    put(**{"out/checkpoint-1500/model.npz": 77.0})
    before = Path("out/checkpoint-1500/model.npz").read_bytes()
    assert [norm for _, _, norm in dumps(run, "out")] == [5.0, 10.0]
    result = run("apply", "out", "--in-place", *GLOBAL, "-t", "1", "-q")
    assert (result.code, Path("out/checkpoint-1500/model.npz").read_bytes()) == (0, before)
    assert "out/checkpoint-1500/model.npz: is not called after gradients" in result.err
    printed = run("stats", "out", *GLOBAL, "--print-threshold")
    assert "is not called after gradients" in printed.err


def test_a_mean_beside_steps_is_no_other_kind(put: Any, run: Run) -> None:
    """A file without a step that is called after gradients does not push out the steps beside it."""
    put(**{f"run/step_{k}.npz": float(k) for k in (1, 2)}, **{"run/mean_grad.npz": 9.0})
    assert [norm for _, _, norm in dumps(run, "run")] == [1.0, 2.0, 9.0]


def test_kinds_in_the_names_of_steps(put: Any, run: Run) -> None:
    """Kinds are told apart in one folder of steps, too; the same step in two formats is two kinds."""
    put(
        **{
            f"run/step_{k}_{kind}.npz": k * (1.0 if kind == "grads" else 50.0)
            for k in (1, 2)
            for kind in ("grads", "model")
        }
    )
    assert [norm for _, _, norm in dumps(run, "run")] == [1.0, 2.0]
    put(**{"two/step_1.npz": 1.0, "two/step_1.safetensors": 1.0})
    assert run("stats", "two").code == 2


def test_a_final_model_beside_checkpoints(checkpoints: None, put: Any, run: Run) -> None:
    """What stands beside folders of steps is left out with a note; files of steps go before folders of steps."""
    put(**{"out/final.npz": 3.0})
    assert [step for _, step, _ in dumps(run, "out")] == [500, 1000]
    assert "files-left-out" in kinds(run, "out")
    put(**{"out/step_7.npz": 7.0})
    assert dumps(run, "out") == [("out/step_7.npz", 7, 7.0), ("out/final.npz", None, 3.0)]
    assert kinds(run, "out") == ["folders-left-out", "no-step"]


def test_a_file_counts_once(put: Any, run: Run) -> None:
    """Links and hard links to a file that is there are the same dump; the name that says the step is kept."""
    put(**{"run/step_1.npz": 1.0, "run/step_2.npz": 2.0})
    Path("run/latest.npz").symlink_to("step_2.npz")
    os.link("run/step_1.npz", "run/first.npz")
    Path("run/step_3.npz").symlink_to("gone.npz")
    assert dumps(run, "run") == [("run/step_1.npz", 1, 1.0), ("run/step_2.npz", 2, 2.0)]
    result = run("stats", "run")
    assert "run/first.npz: is the same file as run/step_1.npz, and counts once (and 1 more)" in result.err
    assert "run/step_3.npz: is a link to nothing, left out" in result.err


def test_what_has_no_step_comes_last(put: Any, run: Run) -> None:
    """A dump without a step among others with one comes last, its step is null, and a note names it."""
    put(**{"run/best.npz": 9.0, "run/step_2.npz": 2.0, "run/step_1.npz": 1.0})
    assert dumps(run, "run") == [("run/step_1.npz", 1, 1.0), ("run/step_2.npz", 2, 2.0), ("run/best.npz", None, 9.0)]
    assert "run/best.npz: its name holds no step, so it comes last" in run("stats", "run").err


def test_files_of_several_kinds_without_steps(put: Any, save: Save, run: Run) -> None:
    """Files of a folder that no step tells apart are a series, with a note that names a file of each kind."""
    for name in ("m.fp16", "m"):
        save(f"{name}.npz", a=[1.0], b=[1.0])
    assert kinds(run, ".") == ["kinds"]
    assert kinds(run, "m.npz", "m.fp16.npz") == []
    put(**{"run/step_1.npz": 1.0, "run/best.npz": 2.0})
    assert kinds(run, "run") == ["no-step"]


def test_copies_are_left_out(put: Any, run: Run) -> None:
    """A copy beside its original is left out with a note; one without its original is a dump."""
    put(**{"run/step_2.npz": 2.0, "run/step_2 (1).npz": 8.0, "run/step_2.copy.npz": 8.0, "run/step_3 copy.npz": 3.0})
    assert [norm for _, _, norm in dumps(run, "run")] == [2.0, 3.0]
    assert "run/step_2 (1).npz: is taken for a copy of step_2.npz, and left out" in run("stats", "run").err


def test_a_copy_of_the_last_step_counts_once(put: Any, run: Run) -> None:
    """A file without a step that holds the same bytes as one with a step is that one, as where a trainer copies the last."""
    put(**{"run/0000100_adapters.npz": 1.0, "run/0000200_adapters.npz": 2.0})
    shutil.copy("run/0000200_adapters.npz", "run/adapters.npz")
    assert dumps(run, "run") == [("run/0000100_adapters.npz", 100, 1.0), ("run/0000200_adapters.npz", 200, 2.0)]
    assert "run/adapters.npz: holds the same bytes as run/0000200_adapters.npz" in run("stats", "run").err


def test_unfinished_steps_are_left_out(put: Any, run: Run) -> None:
    """A folder that a trainer has not written to the end is left out with a note."""
    put(**{"run/checkpoint-1/g.npz": 1.0, "run/tmp-checkpoint-1/g.npz": 9.0})
    assert [norm for _, _, norm in dumps(run, "run")] == [1.0]
    assert kinds(run, "run") == ["unfinished"]


@pytest.fixture
def resumed(put: Any) -> None:
    """A run that was resumed: steps 3 and 4 were written twice."""
    put(**{f"job_1/step_{k}.npz": float(k) for k in (1, 2, 3, 4)})
    put(**{f"job_2/step_{k}.npz": 10.0 * k for k in (3, 4, 5)})


def test_a_resumed_run_has_each_step_once(resumed: None, run: Run) -> None:
    """The last of each step is taken, in the natural order of paths, and a note says how many there are."""
    assert [norm for _, _, norm in dumps(run, "job_1", "job_2")] == [1.0, 2.0, 30.0, 40.0, 50.0]
    assert "2 steps came twice, such as job_1/step_3.npz and job_2/step_3.npz; the last of each is taken" in (
        run("stats", "job_2", "job_1", "-q").err
    )


@pytest.mark.parametrize(
    ("choice", "norms"),
    [("first", [1, 2, 3, 4, 50]), ("last", [1, 2, 30, 40, 50]), ("keep", [1, 2, 3, 30, 4, 40, 50])],
)
def test_repeated_steps_are_chosen(choice: str, norms: list[float], resumed: None, run: Run) -> None:
    """The first or the last of each step, or all; `apply` writes only what was taken."""
    assert [norm for _, _, norm in dumps(run, "job_1", "job_2", "--repeated", choice)] == norms
    if choice != "keep":
        assert run("apply", "job_1", "job_2", "-o", "new", *GLOBAL, "-t", "1", "--repeated", choice).code == 0
        assert len(list(Path("new").rglob("*.npz"))) == len(norms)


def test_repeated_steps_are_refused(resumed: None, run: Run) -> None:
    """--repeated error is wrong usage that gives an example."""
    result = run("check", "job_1", "job_2", "--repeated", "error")
    assert (result.code, "2 steps came twice, such as job_1/step_3.npz and job_2/step_3.npz" in result.err) == (2, True)


def test_two_runs_are_no_series(put: Any, run: Run) -> None:
    """Folders that begin at the same step are two runs, whether the step is in the file's or in the folder's name."""
    put(**{f"{name}/step_{k}.npz": float(k) for name in ("a", "b") for k in (1, 2)})
    put(**{f"{name}/step_{k}/g.npz": float(k) for name in ("c", "d") for k in (1, 2)})
    for one, other in ("ab", "cd"):
        result = run("stats", one, other)
        assert result.code == 2
        assert f"{one} and {other} both begin at step 1, so they are two runs and no series" in result.err
        assert "gradclip diff" in result.err
        assert len(dumps(run, one, other, "--repeated", "keep")) == 4


def test_micro_batches_are_refused(put: Any, run: Run) -> None:
    """Files of one step that differ by a second number are no dumps of their own without a word from the user."""
    put(**{f"run/step_{k}_micro_{m}.npz": 1.0 for k in (0, 1) for m in range(3)})
    result = run("stats", "run")
    assert result.code == 2
    assert "run/step_0_micro_0.npz and step_0_micro_1.npz are both of step 0" in result.err
    assert all(option in result.err for option in ("--accumulate", "--shards", "--repeated"))
    assert len(dumps(run, "run", "--repeated", "keep")) == 6


def test_steps_come_back_in_each_epoch(put: Any, run: Run) -> None:
    """Batches are ordered by epoch, all kept, and numbered anew; a table calls them by both."""
    put(**{f"run/epoch={e}-batch={b}.npz": 10.0 * e + b + 1 for e in (0, 1) for b in (0, 1)})
    found = dumps(run, "run")
    assert [(step, norm) for _, step, norm in found] == [(0, 1.0), (1, 2.0), (2, 11.0), (3, 12.0)]
    assert kinds(run, "run") == ["epochs"]
    assert "epoch 1 batch 0" in run("stats", "run", "--by", "step").out


def test_ten_thousand_names(put: Any, run: Run) -> None:
    """Names that differ in one number have it as their step."""
    put(**{f"run/g-{k}.npz": float(k) for k in (3, 20, 100)})
    assert [step for _, step, _ in dumps(run, "run")] == [3, 20, 100]


def test_a_file_says_its_step(save: Save, run: Run) -> None:
    """Where a name holds no step, what the file says of itself is taken; a file of a capture goes before its name."""
    for name, norm, said in (("b", 2.0, {"step": "20"}), ("a", 1.0, {"global_step": "30"}), ("c", 3.0, {"step": "x"})):
        save_file({"w": np.array([norm]), "b": np.zeros(1)}, f"{name}.safetensors", said)
    found = dumps(run, ".")
    assert [(step, norm) for _, step, norm in found] == [(20, 2.0), (30, 1.0), (None, 3.0)]
    assert dumps(run, "a.safetensors") == [("a.safetensors", 30, 1.0)]
    save_file({"w": np.array([1.0])}, "step_5.safetensors", {"gradclip": "capture/1", "step": "50"})
    assert dumps(run, "step_5.safetensors") == [("step_5.safetensors", 50, 1.0)]
    assert "says that it is of step 50, and its name says 5" in run("stats", "step_5.safetensors").err
    save_file({"w": np.array([1.0])}, "step_6.safetensors", {"step": "60"})
    assert dumps(run, "step_6.safetensors") == [("step_6.safetensors", 6, 1.0)]


def test_folders_of_ranks(put: Any, run: Run) -> None:
    """Ranks may write folders of their own, below or above those of steps; --shards puts their files together by step."""
    put(**{f"a/iter_{k}/mp_rank_0{r}/g.npz": (3.0 + r) * k for k in (1, 2) for r in (0, 1)})
    put(**{f"b/rank{r}/step_{k}.npz": (3.0 + r) * k for k in (1, 2) for r in (0, 1)})
    for folder in "ab":
        result = run("stats", folder, "--shards", "-f", "json")
        assert [(dump["step"], dump["norm"]) for dump in json.loads(result.out)["dumps"]] == [(1, 5.0), (2, 10.0)]
        refused = run("stats", folder)
        assert (refused.code, "--shards" in refused.err) == (2, True)


def test_a_log_beside_dumps_is_named(checkpoints: None, run: Run) -> None:
    """A log that holds norms, too, is named, and not read."""
    Path("out/checkpoint-1000/trainer_state.json").write_text('{"log_history": [{"grad_norm": 1.5, "step": 1}]}')
    Path("out/trainer_state.json").write_text("{}")
    assert "out/checkpoint-1000/trainer_state.json: is a log that holds norms, too" in run("stats", "out").err


def test_steps_inside_files_come_once(save: Save, run: Run) -> None:
    """A resumed run that is written into two files counts each step once; two runs are refused; apply keeps files whole."""
    for name, steps in (("a", (1, 2)), ("b", (2, 3)), ("c", (1, 2))):
        save(f"{name}.npz", **{f"step{k}/fc/w": [float(k) * (10 if name == "b" else 1)] for k in steps})
    assert [(step, norm) for _, step, norm in dumps(run, "a.npz", "b.npz")] == [(1, 1.0), (2, 20.0), (3, 30.0)]
    assert [norm for _, _, norm in dumps(run, "a.npz", "b.npz", "--repeated", "first")] == [1.0, 2.0, 30.0]
    assert [norm for _, _, norm in dumps(run, "a.npz", "b.npz", "--repeated", "keep")] == [1.0, 2.0, 20.0, 30.0]
    assert json.loads(run("check", "a.npz", "b.npz", "-f", "json").out)["dumps"] == 3
    for command in ("stats", "check", "apply"):
        rest = ("-o", "out", *GLOBAL, "-t", "1") if command == "apply" else ()
        assert run(command, "a.npz", "b.npz", *rest, "--repeated", "error").code == 2
        result = run(command, "a.npz", "c.npz", *rest)
        assert (result.code, "a.npz and c.npz" in result.err) == (2, True)
    assert run("apply", "a.npz", "b.npz", "-o", "out", *GLOBAL, "-t", "1").code == 2
    assert run("apply", "a.npz", "b.npz", "-o", "out", *GLOBAL, "-t", "1", "--repeated", "keep").code == 0


def test_outputs_of_ranks_keep_their_folders(put: Any, run: Run) -> None:
    """Files of ranks in folders of their own are written into folders of the same names."""
    put(**{f"in/rank{r}/step_{k}.npz": 3.0 + r for r in (0, 1) for k in (1, 2)})
    assert run("apply", "in", "--shards", "-o", "out", *GLOBAL, "-t", "1").code == 0
    assert sorted(str(path) for path in Path("out").rglob("*.npz")) == [
        f"out/rank{r}/step_{k}.npz" for r in (0, 1) for k in (1, 2)
    ]


def test_an_output_is_a_folder_whatever_is_left_out(put: Any, run: Run) -> None:
    """Several inputs go into a folder, also where only one of them is taken; a folder is not called like a file."""
    put(**{"step_1.npz": 5.0})
    shutil.copy("step_1.npz", "best.npz")
    assert run("apply", "step_1.npz", "best.npz", "-o", "out", *GLOBAL, "-t", "1").code == 0
    assert [path.name for path in Path("out").iterdir()] == ["step_1.npz"]
    result = run("apply", "step_1.npz", "best.npz", "-o", "out.npz", *GLOBAL, "-t", "1")
    assert (result.code, "would be a directory" in result.err) == (2, True)


def test_ranks_are_of_their_steps(put: Any, save: Save, run: Run) -> None:
    """--shards knows the steps of folders above several folders of ranks, of metadata and of epochs; doubt is wrong usage."""
    put(**{f"a/step_{k}/pp_{p}/tp_{t}/g.npz": 1.0 * k for k in (1, 2) for p in (0, 1) for t in (0, 1)})
    for epoch in (0, 1):
        put(**{f"b/epoch_{epoch}/step_1_rank{r}.npz": 3.0 + r + 10 * epoch for r in (0, 1)})
    Path("c").mkdir()
    for name, step in (("x", 7), ("y", 9)):
        for r in (0, 1):
            save_file(
                {"w": np.array([float(step)]), "b": np.zeros(1)}, f"c/{name}_rank{r}.safetensors", {"step": str(step)}
            )
    for argv, expected in (
        (["a"], [(1, 2.0), (2, 4.0)]),
        (["b/epoch_0", "b/epoch_1"], [(0, 5.0), (1, (13**2 + 14**2) ** 0.5)]),
        (["c"], [(7, 98**0.5), (9, 162**0.5)]),
    ):
        found = json.loads(run("stats", *argv, "--shards", "-f", "json").out)["dumps"]
        assert [dump["step"] for dump in found] == [step for step, _ in expected]
        assert [dump["norm"] for dump in found] == pytest.approx([norm for _, norm in expected])
    assert run("stats", "a").code == 2
    assert run("apply", "a", "--shards", "-o", "out", *GLOBAL, "-t", "1").code == 0
    assert Path("out/step_2/pp_1/tp_0/g.npz").exists()
    paths = [f"d/{name}_rank{r}.npz" for name in "xy" for r in (0, 1)]
    for path in (*paths, *(f"e/{k}_{r}.npz" for k in (1, 2) for r in (0, 1))):
        Path(path).parent.mkdir(exist_ok=True)
        save(path, w=[1.0], b=[2.0])
    for folder in "de":
        result = run("stats", folder, "--shards")
        assert (result.code, "differ in more than their ranks" in result.err) == (2, True)


def test_ranks_hold_all_steps_inside_their_files(save: Save, run: Run) -> None:
    """A rank that lacks a step of a series inside its file is an error, and no smaller norm."""
    for r, steps in ((0, (1, 2, 3)), (1, (1, 2))):
        save(f"rank_{r}.npz", **{f"step{k}/fc/w": [3.0 + r] for k in steps})
    result = run("stats", "rank_0.npz", "rank_1.npz", "--shards")
    assert (result.code, "rank_1.npz: lacks step3, which other ranks hold" in result.err) == (3, True)


def test_long_numbers_are_no_prefixes(put: Any, run: Run) -> None:
    """Times in nanoseconds are steps as they are; a number that is too long is no step at all."""
    put(**{f"a/step_172234567890123456{k}.npz": float(k) for k in (1, 2)})
    assert [step for _, step, _ in dumps(run, "a")] == [1722345678901234561, 1722345678901234562]
    put(**{f"b/step_{'9' * 21}{k}.npz": float(k) for k in (1, 2)})
    assert [step for _, step, _ in dumps(run, "b")] == [None, None]


def test_no_output_replaces_another_input(put: Any, run: Run) -> None:
    """An output that leads to an input by a link is refused; what was given stays as it was."""
    put(**{"a/step_1.npz": 3.0, "a/step_2.npz": 6.0})
    Path("out").mkdir()
    Path("out/step_2.npz").symlink_to("../a/step_1.npz")
    result = run("apply", "a", "-o", "out", "--overwrite", "-s", "none", "-q")
    assert (result.code, "leads to the input" in result.err) == (2, True)
    assert [norm for _, _, norm in dumps(run, "a")] == [3.0, 6.0]


def test_folders_beside_steps_are_noted(put: Any, run: Run) -> None:
    """Folders that hold dumps beside those of steps are named."""
    put(**{"run/step_1/g.npz": 1.0, "run/final/g.npz": 100.0})
    assert kinds(run, "run") == ["other-folders"]


def test_standard_input_has_no_name(put: Any, run: Run) -> None:
    """--files cannot choose what has no name."""
    put(**{"step_1.npz": 5.0})
    assert run("stats", "-", "step_1.npz", "--files", "*").code == 2
