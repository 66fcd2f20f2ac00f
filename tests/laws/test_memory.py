"""No more than a few pieces of a tensor are ever held."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.matrices import heavy

import gradclip_cli
from gradclip_cli.formats import FORMATS, by_name

ROWS, WIDTH = 180, 250_000
CEILING = 160 << 20
MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(code, peak * (1 if sys.platform == "darwin" else 1024))
"""
"""The peak is measured of a grandchild, since a child's begins with the memory of the process that it was forked from."""


def rows() -> np.ndarray:
    """Return one megabyte of a tensor that is 180 times as large."""
    return np.random.default_rng(0).standard_normal(WIDTH).astype(np.float32)


def stream_safetensors(path: Path) -> None:
    """Write the header and then row after row."""
    header = f'{{"w":{{"dtype":"F32","shape":[{ROWS},{WIDTH}],"data_offsets":[0,{4 * ROWS * WIDTH}]}}}}'.encode()
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.writelines([rows().data] * ROWS)


def stream_hdf5(path: Path) -> None:
    """Write row after row into one dataset."""
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("w", (ROWS, WIDTH), np.float32)
        row = rows()
        for k in range(ROWS):
            dataset[k] = row


def stream_npz(path: Path) -> None:
    """Write the header and then row after row into a stored member."""
    fields = {"descr": "<f4", "fortran_order": False, "shape": (ROWS, WIDTH)}
    with zipfile.ZipFile(path, "w") as archive, archive.open("w.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, fields)
        row = rows()
        for _ in range(ROWS):
            member.write(row.data)


STREAMS: dict[str, Callable[[Path], None]] = {
    "safetensors": stream_safetensors,
    "hdf5": stream_hdf5,
    "npz": stream_npz,
}


def large(folder: Path, format: str) -> Path:
    """Write a tensor of 180 MB; into a format without a stream here it is converted."""
    path = folder / f"g{by_name(format).suffixes[0]}"
    if format in STREAMS:
        STREAMS[format](path)
    else:
        gradclip_cli.apply(large(folder, "safetensors"), path, strategy="none")
    return path


@pytest.mark.parametrize("format", FORMATS)
def test_memory_is_bounded(format: str, roomy: Path) -> None:
    """Clipping a tensor of 180 MB takes less than 160 MiB, whatever the format."""
    path = large(roomy, format)
    out = path.with_name(f"out{path.suffix}")
    gradclip = [
        sys.executable,
        "-m",
        "gradclip_cli",
        "apply",
        str(path),
        "-o",
        str(out),
        "-s",
        "clip-by-norm",
        "-t",
        "1",
        "-q",
    ]
    run = subprocess.run([sys.executable, "-c", MEASURE, *gradclip], capture_output=True, text=True, check=True)
    code, peak = map(int, run.stdout.split())
    assert (code, run.stderr) == (0, "")
    assert out.stat().st_size >= 4 * ROWS * WIDTH
    assert peak < CEILING


@heavy
@pytest.mark.parametrize("axis", ["first", "last"])
def test_units_take_little(axis: str, roomy: Path) -> None:
    """Clipping the 180 units of a tensor of 180 MB, or its 250,000, by those of its weights takes no more."""
    path = str(large(roomy, "safetensors"))
    options = ["-s", "agc", "-t", "0.1", "--weights", path, "--unit-axis", axis, "--dry-run", "-q"]
    gradclip = [sys.executable, "-m", "gradclip_cli", "apply", path, *options]
    run = subprocess.run([sys.executable, "-c", MEASURE, *gradclip], capture_output=True, text=True, check=True)
    code, peak = map(int, run.stdout.split())
    assert (code, run.stderr) == (0, "")
    assert peak < CEILING


def test_comparing_takes_no_more(roomy: Path) -> None:
    """Comparing two tensors of 180 MB, of which one is in another format, takes less than 160 MiB."""
    paths = large(roomy, "safetensors"), large(roomy, "npz")
    gradclip = [sys.executable, "-m", "gradclip_cli", "diff", *map(str, paths), "-q"]
    run = subprocess.run([sys.executable, "-c", MEASURE, *gradclip], capture_output=True, text=True, check=True)
    code, peak = map(int, run.stdout.split())
    assert (code, run.stderr) == (0, "")
    assert peak < CEILING


@heavy
def test_comparing_ranks_takes_no_more(roomy: Path) -> None:
    """Comparing ranks with pieces of 180 MB, after their copies were seen to be the same, takes less than 160 MiB."""
    (ranks := roomy / "ranks").mkdir()
    large(roomy, "safetensors").rename(ranks / "rank0.safetensors")
    shutil.copy(ranks / "rank0.safetensors", ranks / "rank1.safetensors")
    for option in ([], ["--replicated", "w"]):
        gradclip = [sys.executable, "-m", "gradclip_cli", "diff", str(ranks), str(ranks), "--shards", "-q", *option]
        run = subprocess.run([sys.executable, "-c", MEASURE, *gradclip], capture_output=True, text=True, check=True)
        code, peak = map(int, run.stdout.split())
        assert (code, "--replicated 'w'" in run.stderr) == (0, not option)
        assert peak < CEILING


def test_checking_is_bounded(roomy: Path) -> None:
    """Comparing a tensor of 180 MB with that of the dump before takes no more."""
    path = large(roomy, "safetensors")
    copy = shutil.copy(path, roomy / "copy.safetensors")
    gradclip = [sys.executable, "-m", "gradclip_cli", "check", str(path), str(copy), "--unchanged-dumps", "2", "-q"]
    run = subprocess.run([sys.executable, "-c", MEASURE, *gradclip], capture_output=True, text=True, check=True)
    code, peak = map(int, run.stdout.split())
    assert (code, run.stderr) == (1, "")
    assert peak < CEILING


@pytest.mark.parametrize("format", [pytest.param(format, marks=heavy if k else []) for k, format in enumerate(FORMATS)])
def test_memory_is_bounded_in_a_pipeline(format: str, roomy: Path) -> None:
    """What comes through a pipe, and goes into one, is held on the disk: the same 160 MiB are enough."""
    gradclip = [sys.executable, "-m", "gradclip_cli", "apply", "-", "-o", "-", "-s", "clip-by-norm", "-t", "1", "-q"]
    pipeline = ["bash", "-c", 'set -o pipefail; cat "$0" | "$@" | wc -c', str(large(roomy, format)), *gradclip]
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, *pipeline],
        env={**os.environ, "TMPDIR": str(roomy)},
        capture_output=True,
        text=True,
        check=True,
    )
    written, code, peak = map(int, run.stdout.split())
    assert (code, run.stderr) == (0, "")
    assert written >= 4 * ROWS * WIDTH
    assert peak < CEILING


TENSORS = 200_000
"""A header of 16 MB: its objects would take 200 MiB."""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write 200,000 tensors of 16 elements."""
    path = tmp_path_factory.mktemp("many") / "many.safetensors"
    entries = (
        f'"layers.{k // 10}.p{k % 10}":{{"dtype":"F32","shape":[16],"data_offsets":[{64 * k},{64 * k + 64}]}}'
        for k in range(TENSORS)
    )
    header = f"{{{','.join(entries)}}}".encode()
    data = np.random.default_rng(0).standard_normal(16 * TENSORS).astype(np.float32)
    path.write_bytes(len(header).to_bytes(8, "little") + header + data.tobytes())
    return path


@pytest.mark.parametrize(
    ("command", "ceiling"),
    [
        (["stats", "-f", "json"], 180),
        pytest.param(["check", "-f", "json"], 260, marks=heavy),
        pytest.param(["ls", "-f", "json"], 120, marks=heavy),
        pytest.param(["apply", "-q", "-s", "clip-by-global-norm", "-t", "1", "-o"], 180, marks=heavy),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_many_tensors_take_little(command: list[str], ceiling: int, many: Path, roomy: Path) -> None:
    """Beside what every run takes, a tensor takes some 600 bytes, of which its name is 70; `check` counts more of it."""
    own = [*command[1:], str(roomy / "out.safetensors")] if command[-1] == "-o" else command[1:]
    gradclip = [sys.executable, "-m", "gradclip_cli", command[0], str(many), *own]
    run = subprocess.run([sys.executable, "-c", MEASURE, *gradclip], capture_output=True, text=True, check=True)
    code, peak = map(int, run.stdout.splitlines()[-1].split())
    assert (code, run.stderr) == (0, "")
    assert peak < ceiling << 20
