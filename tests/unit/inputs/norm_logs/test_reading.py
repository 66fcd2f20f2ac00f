"""Each layout is told by its content, and its norms and steps are those that stand in it."""

import gzip
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import log_samples as samples
from support.log_samples import SAMPLES, Sample, event, events, simple

from gradclip_cli.errors import GradclipError, InputError, UsageError
from gradclip_cli.inputs.norm_logs.base import LogOptions, NormLog
from gradclip_cli.inputs.norm_logs.reading import files_of, layout_of, read_log


def alike(one: list[float], other: list[float]) -> bool:
    """Whether two lists hold the same numbers, NaN too."""
    return [repr(float(value)) for value in one] == [repr(float(value)) for value in other]


def check(log: NormLog, sample: Sample) -> None:
    """Hold a log to what its sample says."""
    assert (log.kind, log.column) == (sample.kind, sample.column)
    assert (None if log.steps is None else log.steps.tolist()) == sample.steps
    assert alike(log.norms.tolist(), sample.norms), log.norms
    assert [note.kind for note in log.notes] == sample.notes
    found = {
        one.name: [math.nan if one.absent and one.absent[k] else norm for k, norm in enumerate(one.norms)]
        for one in log.tensors
    }
    assert found.keys() == sample.tensors.keys()
    assert all(alike(found[name], sample.tensors[name]) for name in found), found


def written(folder: Path, data: bytes, name: str = "run.log") -> str:
    """Write a log, and return its path."""
    path = folder / name
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_layouts(sample: Sample, tmp_path: Path) -> None:
    """Norms and steps of each layout are the numbers that stand in the sample."""
    check(read_log(written(tmp_path, sample.data, sample.name)), sample)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_packed_by_gzip(sample: Sample, tmp_path: Path) -> None:
    """A log that gzip has packed is read as it is; a metric of MLflow takes its name from its path."""
    name = sample.column if sample.kind.startswith("a metric") else f"{sample.name}.gz"
    check(read_log(written(tmp_path, gzip.compress(sample.data), name)), sample)


def test_packed_and_cut(tmp_path: Path) -> None:
    """Of a packed log that is cut short, what can be unpacked is read, and that is said."""
    data = b"".join(b"step: %d grad_norm: %d.5\n" % (step, step * 7919 % 1013) for step in range(50_000))
    packed = gzip.compress(data)
    log = read_log(written(tmp_path, packed[: len(packed) // 2]))
    assert 1000 < len(log.norms) < 50_000
    assert "cut-short" in [note.kind for note in log.notes]


def test_packed_and_damaged(tmp_path: Path) -> None:
    """Damage inside a packed log is an error."""
    lines = [b"step: %d grad_norm: 1.5 %s\n" % (k, os.urandom(40).hex().encode()) for k in range(4000)]
    packed = bytearray(gzip.compress(b"".join(lines)))
    packed[1 << 16 : (1 << 16) + 8] = b"\xff" * 8
    with pytest.raises(InputError, match="gzip cannot unpack it"):
        read_log(written(tmp_path, bytes(packed)))


def failure(path: str, column: str | None = None) -> tuple[int, str]:
    """The exit code and the message of what cannot be read, without the folder."""
    with pytest.raises(GradclipError) as caught:
        read_log(path, LogOptions(column))
    return caught.value.exit_code, str(caught.value).replace(os.path.dirname(path) + os.sep, "")


@pytest.mark.parametrize(
    ("name", "data", "column", "code", "message"),
    [
        (
            "loss_only.csv", b"epoch,step,train_loss\n0,1,2.0\n", None, 3,
            "loss_only.csv: CSV, but none of its columns is a gradient norm; name one with --column: epoch, step, train_loss",
        ),
        (
            "wandb_export.csv", samples.WANDB_TWO, None, 2,
            "wandb_export.csv: several norms; name one with --column: run-a - train/grad_norm, run-b - train/grad_norm",
        ),
        (
            "wandb_export.csv", samples.WANDB_TWO, "train/grad_norm", 2,
            "wandb_export.csv: several columns end in 'train/grad_norm'; name one with --column: "
            "run-a - train/grad_norm, run-b - train/grad_norm",
        ),
        (
            "train.log", b"hello\n" * 5120, None, 3,
            "train.log: no gradient norm in 5,120 lines, such as `grad norm: 1.5`, `'grad_norm': 1.5` or `norm: 1.5`; "
            "name the word before the number with --column",
        ),
        ("train.log", b"hello\n" * 3, "gn", 2, "train.log: no number after 'gn' in 3 lines; --column names the word"),
        (
            "run-x.wandb", b":W&B\xe1\xbe\0", None, 3,
            "run-x.wandb: Weights & Biases' own format is not read; export the panel as CSV, "
            "or give wandb/.../files/output.log",
        ),
        ("a.csv", b"step,loss\n1,2.0\n", "norm", 2, "a.csv: CSV without a column 'norm'; there are step, loss"),
        ("a.csv", b"step,grad_norm\n1,\n2,\n", None, 3, "a.csv: CSV, but its column grad_norm holds no number; check the path, or save the file again"),  # noqa: E501
        ("empty.log", b"", None, 3, "empty.log: it is empty; give a log that has begun"),
        ("utf16.log", "grad_norm: 1".encode("utf-16"), None, 3, "utf16.log: is text in UTF-16; iconv -f utf-16 -t utf-8 FILE | gradclip stats -"),  # noqa: E501
        (
            "events.out.tfevents.1", events(event(1, simple("loss", 1.0))), None, 3,
            "events.out.tfevents.1: events of TensorBoard, but none of its columns is a gradient norm; name one with --column: loss",
        ),
        (
            "ranks.log", samples.RANKS_DIFFER, None, 3,
            "ranks.log: step 1 is there with 1 and 1.5; ranks differ: norms of shards cannot be joined; "
            "give the log of a trainer that logs the norm over all ranks",
        ),
    ],
)  # fmt: skip
def test_errors(name: str, data: bytes, column: str | None, code: int, message: str, tmp_path: Path) -> None:
    """What cannot be read is one line, with 2 where the user has to name a column that is there, and 3 otherwise."""
    assert failure(written(tmp_path, data, name), column) == (code, message)


def test_binary_files_are_no_logs() -> None:
    """Zero bytes are in no text; what gradclip reads otherwise is no log either."""
    assert layout_of(b"\x40\0\0\0\0\0\0\0{}") is None
    assert layout_of(b"") is None


def test_columns_by_name(tmp_path: Path) -> None:
    """A column is named by its whole name or by what follows its prefix, whatever its case; any column will do."""
    path = written(tmp_path, samples.WANDB_TWO, "two.csv")
    for name in ("run-b - train/grad_norm", "RUN-B - train/Grad_Norm"):
        assert read_log(path, LogOptions(name)).norms.tolist() == [2.5, 2.25]
    path = written(tmp_path, samples.VERL)
    assert read_log(path, LogOptions("pg_loss")).norms.tolist() == [0.1, 0.1, 0.1]
    assert read_log(path, LogOptions("actor/pg_loss")).steps is not None
    path = written(tmp_path, samples.TENSORBOARD, "events.out.tfevents.1")
    assert read_log(path, LogOptions("train/loss")).norms.tolist() == [2.0]
    path = written(tmp_path, samples.MMENGINE, "scalars.json")
    assert read_log(path, LogOptions("loss")).norms.tolist()[:2] == [1.5, 1.4]


def test_a_folder_of_events_is_read_in_order(tmp_path: Path) -> None:
    """Files of events follow each other by their names; a run that begins again earlier takes the place of what was there."""
    for time, rows in ((9, [(0, 1.0), (1, 2.0), (2, 3.0)]), (10, [(2, 5.0), (3, 6.0)])):
        data = events(*(event(step, simple("grad_norm", norm)) for step, norm in rows))
        written(tmp_path, data, f"events.out.tfevents.{time}.host")
    log = read_log(str(tmp_path))
    assert log.steps is not None
    assert log.steps.tolist() == [0, 1, 2, 3]
    assert log.norms.tolist() == [1.0, 2.0, 5.0, 6.0]
    assert [note.kind for note in log.notes] == ["resumed"]


def test_a_run_of_mlflow_is_a_folder(tmp_path: Path) -> None:
    """The folder of a run holds its metrics by name, those with a slash in folders."""
    run = tmp_path / "mlruns" / "0" / "4d"
    (run / "metrics" / "train").mkdir(parents=True)
    (run / "meta.yaml").write_text("run_id: 4d\n")
    written(run / "metrics" / "train", samples.MLFLOW, "grad_norm")
    written(run / "metrics", b"1700000000123 9.5 0\n", "loss")
    for folder in (run, run / "metrics"):
        log = read_log(str(folder))
        assert (log.column, log.norms.tolist()[:2]) == ("train/grad_norm", [1.5, 0.25])
    assert read_log(str(run), LogOptions("loss")).norms.tolist() == [9.5]


def test_folders_without_a_log(tmp_path: Path) -> None:
    """A folder of several runs names them, an empty one says that nothing is there."""
    assert failure(str(tmp_path))[1].endswith("no log in this directory; give the file itself")
    (tmp_path / "run1").mkdir()
    written(tmp_path / "run1", samples.TENSORBOARD, "events.out.tfevents.1")
    assert failure(str(tmp_path))[1].endswith(
        f"give one: {tmp_path / 'run1'}".replace(str(tmp_path.parent) + os.sep, "")
    )
    assert files_of(str(tmp_path)) == []


def test_an_empty_file_of_events_beside_others(tmp_path: Path) -> None:
    """A file of events that has not begun yet is passed over."""
    written(tmp_path, samples.TENSORBOARD, "events.out.tfevents.1")
    written(tmp_path, b"", "events.out.tfevents.2")
    assert len(read_log(str(tmp_path)).norms) == 3


def test_norms_are_divided_by_a_loss_scale(tmp_path: Path) -> None:
    """`unscale` is a number, or the name of what is logged beside each norm; the note on the scale is not needed then."""
    path = written(tmp_path, samples.FAIRSEQ)
    assert read_log(path, LogOptions(unscale=2.0)).norms.tolist() == [20.751 / 2, 9.216 / 2, 7.5 / 2]
    log = read_log(path, LogOptions(unscale="loss scale"))
    assert log.norms.tolist() == [20.751 / 4, 9.216 / 8, 7.5 / 8]
    assert log.notes == ()
    with pytest.raises(UsageError, match="nothing that is logged beside"):
        read_log(written(tmp_path, samples.NANOGPT), LogOptions(unscale="loss scale"))


def test_epochs_stand_for_steps_that_are_not_logged(tmp_path: Path) -> None:
    """HF prints no step but the epoch."""
    log = read_log(written(tmp_path, samples.HF_OUT))
    assert log.steps is None
    assert log.epochs is not None
    assert log.epochs.tolist() == [0.0, 0.5, 1.0]


@pytest.mark.parametrize("layout", ["text", "csv", "json"])
def test_memory_stays_flat(layout: str, tmp_path: Path) -> None:
    """A log of 50 MB takes no more than 40 MiB over the interpreter's own memory."""
    line = {
        "text": b"2024-01-01 INFO loaded %d shards of data, and much more that nobody reads\n",
        "csv": b"%d,2.5,,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
        "json": b'{"step": %d, "loss": 2.5, "text": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}\n',
    }[layout]
    head = {
        "text": b"step 1 grad_norm: 1.5\n",
        "csv": b"step,loss,grad_norm,text\n1,2.0,1.5,a\n",
        "json": b'{"step": 1, "grad_norm": 1.5}\n',
    }
    path = tmp_path / "run.log"
    with path.open("wb") as file:
        file.write(head[layout])
        for k in range(50):
            file.write(b"".join(line % n for n in range(k * 13_000, (k + 1) * 13_000)))
    assert path.stat().st_size > 40e6
    script = (
        "import resource, sys\nfrom gradclip_cli.inputs.norm_logs.reading import read_log\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\nbefore = peak()\n"
        "assert read_log(sys.argv[1]).norms.tolist() == [1.5]\nprint((peak() - before) // 1024)"
    )
    run = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 40


def test_a_reader_of_the_registry_is_light() -> None:
    """To find out that a file is a log, neither click nor h5py is imported."""
    script = "import sys, gradclip_cli.inputs.norm_logs.reading; print({'click', 'h5py'} & sys.modules.keys())"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


def test_standard_input() -> None:
    """A log comes from standard input as from a file."""
    data = b"noise without end\n" * 100_000 + samples.NANOGPT
    script = "from gradclip_cli.inputs.norm_logs.reading import read_log; print(read_log('-').norms.tolist())"
    run = subprocess.run([sys.executable, "-c", script], input=data, capture_output=True, check=True)
    assert run.stdout == b"[27.0159, 9.5172, 5.7398]\n"
