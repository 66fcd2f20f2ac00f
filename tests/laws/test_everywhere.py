"""The same bits on every processor: reports of P = 1, 2 and inf under other kernels of BLAS, and without vector units.

A process sees only one kind of processor; so one is started for each, which reads the same dumps in all ways.
"""

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from laws import everywhere

KERNELS = {"Prescott": "SSE3", "Nehalem": "SSE42", "Sandybridge": "AVX", "Haswell": "AVX2", "SkylakeX": "AVX512F"}
"""What OpenBLAS is told that the processor is, and what it then uses without asking whether it is there."""

TESTS = Path(__file__).parent.parent


UNITS: Any = vars(np)["_core"]._multiarray_umath
"""Where numpy says which vector units there are, and which it chooses by."""


def dispatched() -> list[str]:
    """List the vector units that this machine has and numpy chooses by."""
    return [name for name in UNITS.__cpu_dispatch__ if UNITS.__cpu_features__[name]]


def environments() -> dict[str, dict[str, str]]:
    """Return what is set for each kind of processor, by its name."""
    features = dispatched()
    able = [kernel for kernel, unit in KERNELS.items() if UNITS.__cpu_features__.get(unit)]
    found = {kernel: {"OPENBLAS_CORETYPE": kernel} for kernel in able}
    for kept in sorted({0, len(features) // 2}):
        if features[kept:]:
            found[f"{kept} vector units"] = {"NPY_DISABLE_CPU_FEATURES": ",".join(features[kept:])}
    found["plain libm"] = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F"}
    return found


def digests(folder: Path, size: str, changed: dict[str, str]) -> dict[str, str]:
    """Run a process that reads the dumps; what it is not told to change is as here."""
    env = {**os.environ, "PYTHONPATH": str(TESTS), **changed}
    command = [sys.executable, "-m", "laws.everywhere", str(folder), size]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, str] = json.loads(ended.stdout)
    return found


def agree(folder: Path, size: str, sizes: Sequence[str], each: int = 1) -> None:
    """Hold every report of every process against the others that were asked the same, in whatever way they read.

    The process that is left as it is reads as `size` says, the others in turn as `sizes` say.
    """
    everywhere.make(folder)
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    processes = [
        ("as it is", {}, size),
        *((*one, here) for one, here in zip([*environments().items()][::each], cycle(sizes), strict=False)),
    ]
    for name, changed, here in processes:
        for way, digest in digests(folder, here, changed).items():
            found[way.split(" | ")[0]][digest].append(f"{name}: {way}")
    assert len(found) > 10
    assert {asked: list(kinds.values()) for asked, kinds in found.items() if len(kinds) > 1} == {}


def test_reports_on_every_processor(tmp_path: Path) -> None:
    """`stats`, `apply`, `diff` and `check` say the same to the last digit, in every format, order, and number of threads."""
    agree(tmp_path / "dumps", "small", "012", each=3)


@pytest.mark.heavy
def test_reports_on_every_processor_in_every_way(tmp_path: Path) -> None:
    """So they do for all strategies and rules, in every format, order, number of threads and size of pieces together."""
    agree(tmp_path / "dumps", "large", ["large"])


def test_vector_units_can_be_switched_off(tmp_path: Path) -> None:
    """What is set for a process reaches numpy, so that the law is really tried there."""
    features = dispatched()
    if not features:
        pytest.skip("numpy chooses by no vector unit that this machine has")
    script = "import numpy as np, sys; print(np._core._multiarray_umath.__cpu_features__[sys.argv[1]])"
    env = {**os.environ, "NPY_DISABLE_CPU_FEATURES": ",".join(features)}
    command = [sys.executable, "-c", script, features[-1]]
    assert subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout == "False\n"
