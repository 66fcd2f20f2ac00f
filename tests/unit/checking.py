"""Series of dumps in any format, and what `check` finds in them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import safetensors.numpy

from gradclip_cli import check

Arrays = Mapping[str, Any]


class Seen(NamedTuple):
    """Where a finding is."""

    rule: str
    step: int | None
    layer: str | None
    param: str | None


def save(path: Path, arrays: Arrays) -> Path:
    """Write one dump, with the official library of the format that its name says; what has no dtype is float64."""
    tensors = {name: np.asarray(array) for name, array in arrays.items()}
    if path.suffix == ".npz":
        np.savez(path, **tensors)
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            for name, array in tensors.items():
                file[name] = array
    else:
        safetensors.numpy.save_file(tensors, path)
    return path


def series(folder: Path, dumps: Sequence[Arrays], suffix: str = ".npz") -> Path:
    """Write dumps as the steps 1, 2, 3 ... of a folder."""
    for step, arrays in enumerate(dumps, 1):
        save(folder / f"step_{step}{suffix}", arrays)
    return folder


def seen(path: Path, **options: Any) -> list[Seen]:
    """Return where the findings are."""
    return [Seen(one.rule, one.step, one.layer, one.param) for one in check(path, **options).findings]
