"""Logs are told from dumps by their content, and paths that end as dumps do are not even opened."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import log_samples as samples

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.inputs.norm_logs.finding import find_logs, is_log, refuse_logs, refuse_options


def written(folder: Path, name: str, data: bytes) -> str:
    """Write a file, and return its path."""
    path = folder / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize("sample", samples.SAMPLES, ids=lambda sample: sample.name)
def test_samples_are_logs(sample: samples.Sample, tmp_path: Path) -> None:
    """Every layout is told, whatever the name of the file."""
    assert find_logs([written(tmp_path, "anything", sample.data)]) == [str(tmp_path / "anything")]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.npz", samples.MLFLOW),
        ("a.safetensors.index.json", b'{"weight_map": {"norm": "a.safetensors"}}'),
        ("index.json", b'{"weight_map": {"norm": "a.safetensors"}}'),
        ("page", b"<!doctype html><p>grad_norm: 1.5"),
        ("page.json", b'{"error": "not found"}'),
        ("pointer", b"version https://git-lfs.github.com/spec/v1\n"),
        ("bytes", b"step 1 grad_norm: 1.5\n\1\2\3"),
        ("bytes2", b"\0\1\2"),
        ("empty", b""),
    ],
)
def test_other_files_are_none(name: str, data: bytes, tmp_path: Path) -> None:
    """Dumps by their names, indexes, pages, pointers, other JSON and binary files are left to others."""
    assert find_logs([written(tmp_path, name, data)]) == []


def test_folders(tmp_path: Path) -> None:
    """A folder of events or of metrics is a log, unless dumps lie in it."""
    written(tmp_path / "run", "events.out.tfevents.1", samples.TENSORBOARD)
    written(tmp_path / "mixed", "events.out.tfevents.1", samples.TENSORBOARD)
    np.savez(tmp_path / "mixed" / "step_1.npz", g=np.ones(3))
    written(tmp_path / "mlflow" / "metrics", "grad_norm", samples.MLFLOW)
    written(tmp_path / "mlflow", "meta.yaml", b"")
    found = {name: is_log(str(tmp_path / name)) for name in ("run", "mixed", "mlflow", "mlflow/metrics", "", "nowhere")}
    assert found == {"run": True, "mixed": False, "mlflow": True, "mlflow/metrics": True, "": False, "nowhere": False}


def test_what_the_user_says_counts(tmp_path: Path) -> None:
    """--input-format decides; a column makes a log of JSON that does not speak of norms."""
    path = written(tmp_path, "a.jsonl", b'{"step": 1, "gn": 1.5}\n{"step": 2, "gn": 2.5}\n')
    assert find_logs([path]) == []
    assert find_logs([path], column="gn") == find_logs([path], "log") == [path]
    assert find_logs([written(tmp_path, "a.log", samples.NANOGPT)], "npz") == []


def test_refusals(tmp_path: Path) -> None:
    """Text may be anything, so that only other layouts are refused where gradients are needed."""
    refuse_logs([written(tmp_path, "a.log", samples.NANOGPT), written(tmp_path, "a.npz", b"")], "apply")
    with pytest.raises(InputError, match="apply needs gradients: take stats"):
        refuse_logs([written(tmp_path, "metrics.csv", samples.LIGHTNING)], "apply")
    refuse_options("a.log", {"shards": False, "norm_type": 2.0})
    with pytest.raises(UsageError, match="--void-dtype is for gradients"):
        refuse_options("a.log", {"void_dtype": "bfloat16"})


def test_dumps_cost_nothing() -> None:
    """For paths that end as dumps do, no reader of logs is imported."""
    script = (
        "import sys\nfrom gradclip_cli.inputs.norm_logs.finding import find_logs\nassert find_logs(['a.npz', 'b.h5']) == []\n"
        "print([name for name in sys.modules if 'norm_logs.' in name and name[-4:] not in ('base', 'ding')])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
