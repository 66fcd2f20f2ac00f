"""What is measured: each row of the table, with what it is compared to."""

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import scripts

Command = Sequence[str]
MADE = ("f32", "bf16", "f16", "h5", "npz", "gzip", "deflated", "tiny", "many", "series")
GRADCLIP = [sys.executable, "-m", "gradclip_cli"]
SCALED = ("-s", "clip-by-global-norm", "-t", "0.1")
UNTOUCHED = ("-s", "clip-by-global-norm", "-t", "1e9")
PER_LAYER = ("-s", "clip-l2-per-layer", "-t", "0.1")


class Row(NamedTuple):
    """One thing to measure: what is done, what it is compared to, and the most that the ratio of their times may be."""

    work: str
    compared: str
    most: float
    ours: Command
    theirs: Command


def rows(files: dict[str, Path]) -> list[Row]:
    """Return everything that is measured; PyTorch only where it is installed."""
    torch = beside_torch(files) if find_spec("torch") and find_spec("safetensors") else []
    return [*beside_copies(files), *beside_scripts(files), *beside_readers(files), *torch]


def beside_copies(files: dict[str, Path]) -> list[Row]:
    """`apply` on files whose elements lie as they are, beside `cp`."""
    table = [
        ("float32, everything scaled", 1.8, "f32", SCALED),
        ("float32, nothing to clip", 1.5, "f32", UNTOUCHED),
        ("bfloat16, per layer", 4, "bf16", PER_LAYER),
        ("float16, a third subnormal", 5, "f16", SCALED),
        ("contiguous HDF5", 2.5, "h5", SCALED),
        ("stored npz", 3.5, "npz", SCALED),
    ]
    return [
        Row(f"apply, {what}", "cp", most, apply(files[name], *options), copy(files[name]))
        for what, most, name, options in table
    ]


def beside_scripts(files: dict[str, Path]) -> list[Row]:
    """`apply` on packed files, beside the shortest scripts that do the same."""
    table = [("gzip HDF5", "h5py", "gzip"), ("deflated npz", "numpy", "deflated")]
    return [
        Row(
            f"apply, {what}",
            f"{library} script",
            1,
            apply(files[name], *SCALED),
            script(f"{library}_clip", files[name]),
        )
        for what, library, name in table
    ]


def beside_readers(files: dict[str, Path]) -> list[Row]:
    """What only reads, and what only starts."""
    f32, many, series = files["f32"], files["many"], files["series"]
    importing = [sys.executable, "-c"]
    return [
        Row("stats, float32", "cat | cat", 0.5, stats(f32), ["sh", "-c", f"cat {f32} | cat > /dev/null"]),
        Row(
            "stats, a tiny file", "import numpy, click", 1.6, stats(files["tiny"]), [*importing, "import numpy, click"]
        ),
        Row("--help", "import click", 1.5, [*GRADCLIP, "--help"], [*importing, "import click"]),
        Row("stats, 100 000 tensors", "load_file", 6, stats(many), script("load_files", many)),
        Row("stats, 1 000 dumps", "load_file", 5, stats(series), script("load_files", series)),
    ]


def beside_torch(files: dict[str, Path]) -> list[Row]:
    """`apply` beside what people run today."""
    return [
        Row(f"apply, {name}", "PyTorch script", most, apply(files[name], *SCALED), script("torch_clip", files[name]))
        for name, most in (("f32", 0.1), ("bf16", 0.25), ("f16", 0.25))
    ]


def apply(source: Path, *options: str) -> list[str]:
    """Return a command that transforms a dump quietly."""
    output = str(source.with_name(f"out{source.suffix}"))
    return [*GRADCLIP, "apply", str(source), "-o", output, "--overwrite", "-q", *options]


def stats(path: Path) -> list[str]:
    """Return a command that measures a dump or a folder of dumps."""
    return [*GRADCLIP, "stats", "-f", "json", str(path)]


def copy(path: Path) -> list[str]:
    """Return the command that a dump is copied with."""
    return ["cp", str(path), str(path.with_name("copy"))]


def script(name: str, path: Path) -> list[str]:
    """Return a command that does the work with one of the short scripts."""
    return [sys.executable, scripts.__file__, name, str(path)]
