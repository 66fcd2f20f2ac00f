"""Time gradclip beside what it is compared to, each in turn with the other, and print the medians and their ratio.

    python tests/benchmarks/run.py [--folder /dev/shm/gradclip-bench] [--json results.json] [--rounds 7] [--large]

Whole processes are timed from outside, start-up included. Files lie in memory where the system has /dev/shm, so that no
disk is measured. Memory is the largest resident set of any run, as the kernel reports it.
"""

import argparse
import compileall
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import scripts

import gradclip_cli

Command = Sequence[str]
MADE = ("f32", "bf16", "f16", "h5", "npz", "gzip", "deflated", "tiny", "many", "series")
GRADCLIP = [sys.executable, "-m", "gradclip_cli"]


class Row(NamedTuple):
    """One thing to measure: what is done, what it is compared to, and the most that the ratio of their times may be."""

    work: str
    compared: str
    most: float
    ours: Command
    theirs: Command


class Figures(NamedTuple):
    """What was measured of one row."""

    work: str
    compared: str
    seconds: float
    compared_seconds: float
    ratio: float
    most: float
    peak_mib: float


def apply(source: Path, *options: str) -> list[str]:
    """Return a command that transforms a dump quietly."""
    return [
        *GRADCLIP,
        "apply",
        str(source),
        "-o",
        str(source.with_name(f"out{source.suffix}")),
        "--overwrite",
        "-q",
        *options,
    ]


def rows(files: dict[str, Path]) -> list[Row]:
    """Return everything that is measured."""
    f32, bf16, f16 = files["f32"], files["bf16"], files["f16"]
    scaled = ("-s", "clip-by-global-norm", "-t", "0.1")
    found = [
        Row("apply, float32, everything scaled", "cp", 1.8, apply(f32, *scaled), copy(f32)),
        Row(
            "apply, float32, nothing to clip",
            "cp",
            1.5,
            apply(f32, "-s", "clip-by-global-norm", "-t", "1e9"),
            copy(f32),
        ),
        Row("apply, bfloat16, per layer", "cp", 4, apply(bf16, "-s", "clip-l2-per-layer", "-t", "0.1"), copy(bf16)),
        Row("apply, float16, a third subnormal", "cp", 5, apply(f16, *scaled), copy(f16)),
        Row("apply, contiguous HDF5", "cp", 2.5, apply(files["h5"], *scaled), copy(files["h5"])),
        Row("apply, stored npz", "cp", 3.5, apply(files["npz"], *scaled), copy(files["npz"])),
        Row("apply, gzip HDF5", "h5py script", 1, apply(files["gzip"], *scaled), script("h5py_clip", files["gzip"])),
        Row(
            "apply, deflated npz",
            "numpy script",
            1,
            apply(files["deflated"], *scaled),
            script("numpy_clip", files["deflated"]),
        ),
        Row("stats, float32", "cat | cat", 0.5, stats(f32), ["sh", "-c", f"cat {f32} | cat > /dev/null"]),
        Row(
            "stats, a tiny file",
            "import numpy, click",
            1.6,
            stats(files["tiny"]),
            [sys.executable, "-c", "import numpy, click"],
        ),
        Row("--help", "import click", 1.5, [*GRADCLIP, "--help"], [sys.executable, "-c", "import click"]),
        Row("stats, 100 000 tensors", "load_file", 6, stats(files["many"]), script("load_files", files["many"])),
        Row("stats, 1 000 dumps", "load_file", 5, stats(files["series"]), script("load_files", files["series"])),
    ]
    if find_spec("torch") and find_spec("safetensors"):
        for name, most in (("f32", 0.1), ("bf16", 0.25), ("f16", 0.25)):
            path = files[name]
            found.append(
                Row(f"apply, {name}", "PyTorch script", most, apply(path, *scaled), script("torch_clip", path))
            )
    return found


def stats(path: Path) -> list[str]:
    """Return a command that measures a dump or a folder of dumps."""
    return [*GRADCLIP, "stats", "-f", "json", str(path)]


def copy(path: Path) -> list[str]:
    """Return the command that a dump is copied with."""
    return ["cp", str(path), str(path.with_name("copy"))]


def script(name: str, path: Path) -> list[str]:
    """Return a command that does the work with one of the short scripts."""
    return [sys.executable, scripts.__file__, name, str(path)]


def timed(command: Command, folder: Path) -> tuple[float, float]:
    """Run a command on fresh outputs; return its seconds and its peak memory in MiB."""
    for path in [folder / "copy", *folder.glob("out*")]:
        path.unlink(missing_ok=True)
    begin = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - begin
    if status:
        raise SystemExit(f"failed: {' '.join(command)}")
    return seconds, usage.ru_maxrss / 1024


def measure(row: Row, rounds: int, folder: Path) -> Figures:
    """Run both sides in turn and compare their medians; the first round warms up."""
    both = [(timed(row.ours, folder), timed(row.theirs, folder)) for _ in range(rounds + 1)][1:]
    ours, theirs = (statistics.median(pair[side][0] for pair in both) for side in (0, 1))
    return Figures(row.work, row.compared, ours, theirs, ours / theirs, row.most, max(pair[0][1] for pair in both))


def show(row: Figures) -> None:
    """Print one line of the table."""
    times = f"{row.seconds:7.3f} s  {row.compared:20} {row.compared_seconds:7.3f} s"
    print(f"{row.work:36} {times}  {row.ratio:6.2f} x (at most {row.most:g})  {row.peak_mib:4.0f} MiB", flush=True)


def make(folder: Path, name: str, scale: float = 1.0) -> Path:
    """Make a dump in a process of its own: the memory of this one would count as that of its children."""
    command = [sys.executable, str(Path(scripts.__file__).with_name("dumps.py")), str(folder), name, str(scale)]
    return Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())


def flatness(folder: Path, sizes: Sequence[float], rounds: int) -> list[dict[str, float]]:
    """Time `apply` on float32 dumps of several sizes: seconds for each gigabyte, and memory, should not depend on the size."""
    found = []
    for scale in sizes:
        path = make(folder, "f32", scale)
        command = apply(path, "-s", "clip-by-global-norm", "-t", "0.1")
        runs = [timed(command, folder) for _ in range(rounds + 1)][1:]
        gigabytes = path.stat().st_size / 1e9
        seconds = statistics.median(run[0] for run in runs)
        found.append(
            {
                "gigabytes": gigabytes,
                "seconds_per_gigabyte": seconds / gigabytes,
                "peak_mib": max(run[1] for run in runs),
            }
        )
        path.unlink()
    return found


def main() -> None:
    """Make the data, run every row, print the table, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    memory = Path("/dev/shm")
    parser.add_argument("--folder", type=Path, default=(memory if memory.is_dir() else Path()) / "gradclip-bench")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="measure only rows whose text holds this")
    parser.add_argument("--large", action="store_true", help="go up to 8 GB (needs 17 GB in the folder)")
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    compileall.compile_dir(Path(gradclip_cli.__file__).parent, quiet=1)  # as it is where it has been installed
    try:
        files = {name: make(options.folder, name) for name in MADE}
        figures = []
        for row in rows(files):
            if options.only in row.work:
                figures.append(measure(row, options.rounds if row.most != 1 else 2, options.folder))
                show(figures[-1])
        for path in files.values():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        flat = [] if options.only else flatness(options.folder, (0.1, 1, 8) if options.large else (0.1, 1, 2), 3)
        for line in flat:
            print("{gigabytes:5.2f} GB: {seconds_per_gigabyte:.2f} s/GB, {peak_mib:.0f} MiB".format(**line))
    finally:
        shutil.rmtree(options.folder)
    if options.json:
        machine = {"machine": platform.machine(), "python": platform.python_version(), "processors": os.cpu_count()}
        options.json.write_text(
            json.dumps({**machine, "rows": [row._asdict() for row in figures], "sizes": flat}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
