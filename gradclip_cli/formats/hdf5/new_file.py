"""Make a new HDF5 file of contiguous datasets with h5py in this process: no foreign structure is read.

Several threads may make files, and not every call of h5py takes its lock, so it is taken here. The lock is private to
h5py, under any name (`h5py._hl.base.phil` too).
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from h5py import h5d, h5p
from h5py._objects import phil as lock

from gradclip_cli.errors import OutputError
from gradclip_cli.formats.hdf5.library import create_file, writing
from gradclip_cli.formats.hdf5.writer import Hdf5Writer
from gradclip_cli.numerics.dtypes import to_numpy
from gradclip_cli.tensors import TensorSpec

_MOST_DIMENSIONS = 32


def convert(tensors: Sequence[TensorSpec], fd: int, path: str) -> Hdf5Writer:
    """Begin a new file of contiguous datasets, whose offsets are known before they are filled."""
    _check_names(tensors, path)
    with writing(path), lock, ExitStack() as at_last:
        file = create_file(fd)
        at_last.callback(_let_go, file)
        placed = [
            _create(file, replace(spec, dtype=spec.dtype._replace(swapped=False), fortran=False)) for spec in tensors
        ]
        file.close()  # raises an error of writing, which the callback would hide
    return Hdf5Writer(placed, range(len(placed)), (), fd, path)


def _let_go(file: Any) -> None:
    """Close a file; keep a reference if that fails, since HDF5 would try again, and print a traceback, when it is freed."""
    try:
        file.close()
    except (OSError, RuntimeError, ValueError, KeyError):
        _stuck.append(file)


_stuck: list[Any] = []


def _create(file: Any, spec: TensorSpec) -> TensorSpec:
    plan = h5p.create(h5p.DATASET_CREATE)
    plan.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5d.FILL_TIME_NEVER)
    dataset = file.create_dataset(spec.name, spec.shape, to_numpy(spec.dtype), dcpl=plan)
    if spec.dtype.name == "bfloat16":
        dataset.attrs["dtype"] = "bfloat16"  # as Keras marks it: to HDF5 the elements are opaque
    return replace(spec, offset=dataset.id.get_offset())


def _check_names(tensors: Sequence[TensorSpec], path: str) -> None:
    groups = {spec.name[:k] for spec in tensors for k, c in enumerate(spec.name) if c == "/"}
    for spec in tensors:
        reason = None
        if spec.name in groups:
            reason = "another tensor's name needs a group of this name"
        elif any(part in ("", ".", "..") for part in spec.name.split("/")) or "\0" in spec.name:
            reason = "HDF5 has no such name"
        elif spec.dtype.kind == "packed" or (spec.dtype.is_float and spec.dtype.itemsize == 1):
            reason = f"HDF5 has no {spec.dtype.name}"
        elif len(spec.shape) > _MOST_DIMENSIONS:
            reason = f"{len(spec.shape)} dimensions; HDF5 has at most {_MOST_DIMENSIONS}"
        if reason:
            raise OutputError(
                f"HDF5 cannot hold it: {reason}; choose another --output-format", path=path, tensor=spec.name
            )
