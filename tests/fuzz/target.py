"""What is done with one mutant, and what must never come of it."""

import math
import os
import sys
import traceback
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import safetensors

import gradclip_cli
from gradclip_cli.errors import GradclipError
from gradclip_cli.formats import by_name
from gradclip_cli.formats.base import Options
from gradclip_cli.formats.hdf5.child import shared
from gradclip_cli.formats.opening import opened

MOST_MEMORY = 240 << 20
"""Beside the 60 MiB that the libraries take."""
MOST_DECLARED = 64 << 20
"""Larger tensors may be declared, and sparse ones are, but would only make a mutant slow."""
LONGEST_LINE = 1500

_TARGETS = ("safetensors", "npz", "hdf5")


def wrong_with(format: str, data: bytes, number: int, folder: Path) -> str | None:
    """Read a mutant through the whole program; return what went wrong, or None."""
    path = folder / f"mutant{by_name(format).suffixes[0]}"
    out = folder / f"out{by_name(_TARGETS[number % 3]).suffixes[0]}"
    path.write_bytes(data)
    os.utime(path, ns=(0, 0))  # a file that is new is waited for
    shared.get()  # the descriptors of the child that reads HDF5 are not the mutant's
    before = len(os.listdir("/proc/self/fd"))
    forget_peak()
    usual = peak_memory()
    shown: list[str] = []
    sys.excepthook = lambda *what: shown.append(str(what))
    sys.unraisablehook = lambda what: shown.append(str(what))  # what h5py cannot raise, it prints
    try:
        found = _run(path, out, number)
    except Exception:  # noqa: BLE001 (what is no error of ours is what is looked for)
        return traceback.format_exc()
    finally:
        left = {*os.listdir(folder)} - {path.name, out.name}
        out.unlink(missing_ok=True)
    if shown:
        return f"printed: {shown[0]}"
    if left:
        return f"left behind: {sorted(left)}"
    if peak_memory() - usual > MOST_MEMORY:
        return f"{peak_memory() - usual >> 20} MiB of memory"
    if len(os.listdir("/proc/self/fd")) > before:
        return "a descriptor was left open"
    return found if path.read_bytes() == data else "the input was written to"


def _run(path: Path, out: Path, number: int) -> str | None:
    """Take every road that refuses with an error of ours, or leads to the end."""
    jobs = 1 + number % 2
    try:
        with opened(str(path), Options(), None) as (_, reader):
            declared = sum(spec.nbytes for spec in reader.tensors)
    except GradclipError as error:
        return _wrong_line(error)
    if declared > MOST_DECLARED:
        return None
    for step in (_stats, _apply):
        try:
            step(path, out, jobs)
        except GradclipError as error:
            if step is _apply and out.exists():
                return f"an output in spite of: {error}"
            if wrong := _wrong_line(error):
                return wrong
    return _difference(path, out) if out.exists() and jobs == 1 else None


def _stats(path: Path, _: Path, jobs: int) -> None:
    gradclip_cli.stats(path, jobs=jobs)


def _apply(path: Path, out: Path, jobs: int) -> None:
    threshold = math.inf if jobs == 1 else 1.0
    gradclip_cli.apply(path, out, strategy="clip-by-global-norm", threshold=threshold, nonfinite="skip", jobs=jobs)


def _wrong_line(error: GradclipError) -> str | None:
    line = f"Error: {error}"
    if line.isprintable() and len(line.encode()) <= LONGEST_LINE and error.exit_code in (3, 5):
        return None
    return f"not a good message: {error.exit_code} {line!r}"


def _difference(path: Path, out: Path) -> str | None:
    """What was not clipped has to be what the official library finds in the mutant, where that reads it at all."""
    if path.suffix == ".h5" or out.suffix == ".h5":
        return None
    try:
        expected = _official(path)
    except (ValueError, OSError, NotImplementedError, zipfile.BadZipFile, zlib.error, safetensors.SafetensorError):
        return None
    found = _official(out)
    different = [name for name, bits in expected.items() if found.get(name, bits) != bits]
    return f"other elements: {different}" if different else None


def _official(path: Path) -> dict[str, Any]:
    if path.suffix == ".safetensors":
        return {name: bytes(entry["data"]) for name, entry in safetensors.deserialize(path.read_bytes())}
    with path.open("rb") as file, np.load(file) as archive:  # by its path, numpy would not close what is damaged
        found = {name: archive[name] for name in archive.files}  # what is no array comes as bytes
    arrays = {name: array for name, array in found.items() if isinstance(array, np.ndarray)}
    return {name: array.astype(array.dtype.newbyteorder("<")).tobytes() for name, array in arrays.items()}


def forget_peak() -> None:
    """Let the most memory ever used be that of now."""
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory() -> int:
    """Return the most memory used since `forget_peak`, in bytes."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) << 10
