"""Every file that was made to mislead is refused in one line, or read as what it is."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support.matrices import heavy
from support.official import BFLOAT16, bits, load_safetensors

import gradclip_cli
from gradclip_cli import GradclipError
from hostile.cases import Arrays, Case
from hostile.every import CASES

EVERY = [
    pytest.param(case, suffix, id=f"{suffix[1:]}-{case.name}", marks=heavy if k % 2 else ())
    for k, (case, suffix) in enumerate(CASES)
]


def norm(arrays: Arrays) -> float:
    """Return the norm of all floats and parts; `math.hypot` is exact to an ulp, and does not overflow on its way."""
    every = (np.stack([a.real, a.imag]) if a.dtype.kind == "c" else a for a in arrays.values())
    floats = (a for a in every if not np.issubdtype(a.dtype, np.integer) and a.dtype != bool)
    return math.hypot(*(x for a in floats for x in a.astype(np.float64).ravel().tolist()))


def attempt(act: Callable[..., Any], *arguments: Any, **options: Any) -> GradclipError | None:
    """Call a function; return what it refused with."""
    try:
        act(*arguments, **options)
    except GradclipError as error:
        return error
    return None


@pytest.mark.parametrize(("case", "suffix"), EVERY)
def test_it_is_refused_or_read_as_it_is(case: Case, suffix: str, roomy: Path) -> None:
    """A bad file is an error of one line and leaves nothing behind; a good one comes out bit for bit, with its exact norm."""
    path, out = roomy / f"in{suffix}", roomy / f"out{suffix}"
    arrays = case.make(path)
    refusals = [
        attempt(gradclip_cli.stats, path),
        attempt(gradclip_cli.apply, path, out, strategy="clip-by-global-norm", threshold=1e300),
    ]
    if refusals != [None, None]:
        for error in refusals:
            check_refusal(error, case)
        assert os.listdir(roomy) == [path.name]
        return
    assert case.expected != "reject", case.reason
    assert arrays is not None
    assert gradclip_cli.stats(path).dumps[0].norm == pytest.approx(norm(arrays), rel=1e-12, abs=0)
    assert suffix == ".npz" or out.read_bytes() == path.read_bytes()
    for to in READERS:
        check_conversion(path, roomy / f"to{to}", arrays)


def check_refusal(error: GradclipError | None, case: Case) -> None:
    """One line of printable text, short enough for a terminal, and the exit code of a bad input."""
    assert case.expected != "accept", case.reason
    assert error is not None
    assert error.exit_code == 3
    assert str(error).isprintable()
    assert len(str(error).encode()) < 1400


def check_conversion(path: Path, out: Path, arrays: Arrays) -> None:
    """What is written in another format is what was read, or it is refused as something that the format cannot hold."""
    error = attempt(gradclip_cli.apply, path, out, strategy="none")
    if error is not None:
        assert (error.exit_code, out.exists()) == (5, False)
        assert str(error).isprintable()
        return
    found = READERS[out.suffix](out, arrays)
    for name, array in arrays.items():
        widened = found[name].dtype == np.float32 != array.dtype  # h5py shows HDF5's own bfloat16 so
        assert bits(found[name]) == bits(array.astype(np.float32) if widened else array)


def load_arrays(path: Path, arrays: Arrays) -> Arrays:
    """Read what is expected of an archive, which may hold other things beside it."""
    with np.load(path, allow_pickle=False) as archive:
        found = {name: archive[name] for name in arrays}
    return {name: a.view(BFLOAT16) if a.dtype == np.dtype("V2") else a for name, a in found.items()}


def load_datasets(path: Path, arrays: Arrays) -> Arrays:
    """Read what is expected of an HDF5 file, each dataset by its path."""
    with h5py.File(path) as file:
        found = {}
        for name in arrays:
            dataset = file[os.fsencode(name)]
            plain = np.asarray(dataset[()])
            found[name] = plain.view(BFLOAT16) if dataset.attrs.get("dtype") == "bfloat16" else plain
    return found


def load_tensors(path: Path, arrays: Arrays) -> Arrays:
    """Read a safetensors file, all of it."""
    return load_safetensors(path)


READERS = {".safetensors": load_tensors, ".h5": load_datasets, ".npz": load_arrays}
