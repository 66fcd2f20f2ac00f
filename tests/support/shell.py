"""A folder in which examples run: dumps under the names that help and README use, and `gradclip` as a command."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import safetensors.numpy

import gradclip_cli
from support.official import savez

BASH = "/bin/bash"


def furnish(folder: Path) -> None:
    """Write the dumps."""
    rng = np.random.default_rng(0)
    names = ("decoder.weight", "decoder.bias", "lstm.weight_ih_l0")
    dumps = [{name: rng.standard_normal((3, 4)).astype(np.float32) for name in names} for _ in range(3)]
    for name in ("g", "before"):
        safetensors.numpy.save_file(dumps[0], folder / f"{name}.safetensors")
    (folder / "g.safetensors.gz").write_bytes(gzip.compress((folder / "g.safetensors").read_bytes()))
    for name in ("a", "b", "g"):
        savez(folder / f"{name}.npz", **dumps[0])
    with h5py.File(folder / "after.h5", "w") as file:
        file.update(dumps[0])
    for name in ("steps", "run", "good"):
        (folder / name).mkdir()
        for step, dump in enumerate(dumps):
            savez(folder / name / f"step{step}.npz", **dump)


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Put `gradclip` on the PATH, as a command that runs what is being tested."""
    place = folder / ".bin"
    place.mkdir(exist_ok=True)
    command = place / "gradclip"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gradclip_cli "$@"\n')
    command.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GRADCLIP", "_GRADCLIP"))}
    source = str(Path(gradclip_cli.__file__).parent.parent)
    return {**kept, "PATH": f"{place}:{os.environ['PATH']}", "PYTHONPATH": source, "COLUMNS": "80", **more}


def shell(script: str, folder: Path, given: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a folder; `given` stands on its standard input."""
    return subprocess.run(
        [BASH, "-o", "pipefail", "-c", script],
        cwd=folder,
        env=environment(folder, **more),
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
