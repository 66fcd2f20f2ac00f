"""Logs in folders, in pipes and packed: a folder that holds one log and no dump stands for it."""

import gzip
import json
import os
import shutil
import threading
from pathlib import Path

import pytest
from docs.places import SAMPLES
from support import log_samples as samples
from support.command import Run

TEXT = "".join(f"step: {step} loss: 2.0 grad_norm: {2 + step % 3 / 10}\n" for step in range(12))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder of one's own."""
    monkeypatch.chdir(tmp_path)


def write(path: str, data: str | bytes) -> str:
    """Write a file and the folders around it."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def inputs(run: Run, *args: str) -> set[str]:
    """The files that `stats` has read."""
    return {row["input"] for row in json.loads(run("stats", *args, "-f", "json").out)["dumps"]}


def test_a_version_of_lightning(run: Run) -> None:
    """The metrics of a version are taken from its folder, and from the folder above if there is one version."""
    write("lightning_logs/version_0/hparams.yaml", "norm: 1\n")
    write("lightning_logs/version_0/checkpoints/last.ckpt", b"PK")
    path = write("lightning_logs/version_0/metrics.csv", samples.LIGHTNING)
    assert inputs(run, "lightning_logs/version_0") == {path}
    assert inputs(run, "lightning_logs") == {path}
    assert "metrics.csv  3 logged norms" in run("stats", "lightning_logs").out
    write("lightning_logs/version_1/metrics.csv", samples.LIGHTNING)
    found = run("stats", "lightning_logs")
    assert found.code == 2
    assert f"lightning_logs holds several logs with norms; give one: {path}, lightning_logs/version_1/m" in found.err


def test_a_checkpoint(run: Run) -> None:
    """Of the JSON in a checkpoint only the state of the trainer holds norms, though a configuration speaks of them."""
    write("checkpoint-20/config.json", '{"rms_norm_eps": 1e-6, "layers": [1, 2]}')
    write("checkpoint-20/tokenizer.json", '{"normalizer": null}')
    write("checkpoint-20/model.bin.index.json", '{"weight_map": {"norm.weight": "model-1.bin"}}')
    path = write("checkpoint-20/trainer_state.json", samples.trainer_state())
    assert inputs(run, "checkpoint-20") == {path}
    assert run("check", "checkpoint-20").code == 1  # a norm is NaN
    assert run("diff", "checkpoint-20", path, "-q").code == 0


def test_a_run_of_wandb(run: Run) -> None:
    """What a run printed lies two folders below, beside W&B's own format."""
    write("wandb/run-1/run-1.wandb", b":W&B\xee\x10\0")
    write("wandb/run-1/files/requirements.txt", "torch-norm==2.0\n")
    path = write("wandb/run-1/files/output.log", TEXT)
    assert inputs(run, "wandb/run-1") == {path}


def test_dumps_come_first(run: Run) -> None:
    """Of a folder with dumps and logs the dumps are taken, and the logs are named."""
    shutil.copytree(SAMPLES / "char_lstm", "run")
    write("run/trainer_state.json", samples.trainer_state())
    write("run/metrics.csv", "step,loss\n1,2.0\n")
    found = run("stats", "run")
    assert "14 dumps" in found.out
    assert "note: run/trainer_state.json: is a log that holds norms, too; it is not read here\n" in found.err


def test_nothing_of_the_kind(run: Run) -> None:
    """A folder without a log is refused as one without dumps, and a command that needs gradients does not look for logs."""
    write("run/notes.txt", "nothing here\n")
    assert "no dump in this directory" in run("stats", "run").err
    write("run/train.log", TEXT)
    for command in (["ls"], ["show"], ["apply", "-t", "1", "-o", "out"]):
        found = run(command[0], "run", *command[1:])
        assert (found.code, "no dump in this directory" in found.err) == (3, True)


def test_packed(run: Run) -> None:
    """What gzip has packed is a log as it was; cut short, it ends there, which is said."""
    write("run.log.gz", gzip.compress(TEXT.encode()))
    assert "12 logged norms" in run("stats", "run.log.gz").out
    assert run("check", "run.log.gz").code == 0
    write("cut.log.gz", gzip.compress(TEXT.encode() * 50)[:-20])
    assert "is packed by gzip and cut short" in run("stats", "cut.log.gz", "--repeated", "last").err


def test_a_named_pipe(run: Run) -> None:
    """A pipe is read where --input-format says that it is a log, on either side of a comparison, too."""
    for command in (["stats"], ["check"], ["diff", write("run.log", TEXT)]):
        os.mkfifo("pipe")
        writer = threading.Thread(target=Path("pipe").write_text, args=(TEXT,))
        writer.start()
        found = run(*command, "pipe", "--input-format", "log")
        writer.join()
        os.remove("pipe")
        assert found.code == 0, found.err


def test_parts_of_a_run(run: Run) -> None:
    """Several logs in a call are one series, whatever their order and layout."""
    lines = TEXT.splitlines(keepends=True)
    write("1.log", "".join(lines[:7]))
    write("2.csv", "step,grad_norm\n" + "".join(f"{step},{2 + step % 3 / 10}\n" for step in range(5, 12)))
    both = json.loads(run("stats", "2.csv", "1.log", "-f", "json").out)["dumps"]
    assert [(row["step"], row["norm"]) for row in both] == [(step, 2 + step % 3 / 10) for step in range(12)]
