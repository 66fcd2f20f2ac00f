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
from pathlib import Path
from typing import NamedTuple

import scripts
from rows import MADE, SCALED, Command, Row, apply, rows

import gradclip_cli


class Figures(NamedTuple):
    """What was measured of one row."""

    work: str
    compared: str
    seconds: float
    compared_seconds: float
    ratio: float
    most: float
    peak_mib: float


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
    command = [
        sys.executable,
        str(Path(scripts.__file__).parent.with_name("support") / "transformer.py"),
        str(folder),
        name,
        str(scale),
    ]
    return Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())


def table(folder: Path, only: str, rounds: int) -> list[Figures]:
    """Measure and print every row whose text holds `only`."""
    files = {name: make(folder, name) for name in MADE}
    figures = []
    for row in rows(files):
        if only in row.work:
            figures.append(measure(row, rounds if row.most != 1 else 2, folder))
            show(figures[-1])
    for path in files.values():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return figures


def flatness(folder: Path, sizes: Sequence[float], rounds: int) -> list[dict[str, float]]:
    """Time `apply` on float32 dumps of several sizes: seconds for each gigabyte, and memory, should not depend on the size."""
    found = []
    for scale in sizes:
        path = make(folder, "f32", scale)
        command = apply(path, *SCALED)
        runs = [timed(command, folder) for _ in range(rounds + 1)][1:]
        gigabytes = path.stat().st_size / 1e9
        seconds = statistics.median(run[0] for run in runs)
        peak = max(run[1] for run in runs)
        found.append({"gigabytes": gigabytes, "seconds_per_gigabyte": seconds / gigabytes, "peak_mib": peak})
        print(f"{gigabytes:5.2f} GB: {seconds / gigabytes:.2f} s/GB, {peak:.0f} MiB", flush=True)
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
        figures = table(options.folder, options.only, options.rounds)
        flat = [] if options.only else flatness(options.folder, (0.1, 1, 8) if options.large else (0.1, 1, 2), 3)
    finally:
        shutil.rmtree(options.folder)
    if options.json:
        machine = {"machine": platform.machine(), "python": platform.python_version(), "processors": os.cpu_count()}
        found = {**machine, "rows": [row._asdict() for row in figures], "sizes": flat}
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
