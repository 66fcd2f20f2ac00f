"""Every report and output of one set of dumps by one executor: a process prints their digests, for others to agree with.

PYTHONPATH=tests python -m laws.executors FOLDER OUTPUTS threads|forked|spawned JOBS FORMAT
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.by_processes import by_processes

import gradclip_cli
from gradclip_cli.engine.executors.processes import Processes
from gradclip_cli.formats import FORMATS
from laws.everywhere import Way, digest, reports

STEPS = ("step_0", "step_1", "step_2")


def digests(folder: Path, outputs: Path, jobs: int, format: str) -> Iterator[tuple[str, str]]:
    """Yield what was asked of the dumps in a format, and the digest of the answer."""
    for asked, report in reports(folder, Way(format, jobs=jobs), "small"):
        yield asked, digest(report)
    sources = sorted(path for path in (folder / "straight").iterdir() if path.suffix == _suffix(format))
    outputs.mkdir(exist_ok=True)
    for to in FORMATS:
        target = outputs / f"out{_suffix(to)}"
        told: dict[str, Any] = {"void_dtype": "bfloat16", "jobs": jobs, "overwrite": True}
        report = gradclip_cli.apply(sources[0], strategy="clip-by-global-norm", threshold=0.25, output=target, **told)
        yield f"to {to}", digest(report) + hashlib.sha256(target.read_bytes()).hexdigest()
        told |= {"weights": sources[1], "unit_axis": "last"}
        report = gradclip_cli.apply(sources[0], strategy="agc", threshold=0.25, output=target, **told)
        yield f"units to {to}", digest(report) + hashlib.sha256(target.read_bytes()).hexdigest()


def _suffix(format: str) -> str:
    return {"safetensors": ".safetensors", "hdf5": ".h5", "npz": ".npz"}[format]


def main() -> None:
    """Print the digests as JSON, and by how many maps of processes they came about."""
    folder, outputs, way, jobs, format = sys.argv[1:]
    maps, real = [0], Processes._begin
    if way != "threads":
        by_processes(int(jobs), way == "forked")

    def begin(workers: Processes, *given: Any) -> bool:
        begun = real(workers, *given)
        maps[0] += begun
        return begun

    pytest.MonkeyPatch().setattr(Processes, "_begin", begin)
    found = dict(digests(Path(folder), Path(outputs), int(jobs), format))
    print(json.dumps([maps[0], found]))


if __name__ == "__main__":
    main()
