"""HDF5 files opened by their descriptor, whether they still have a name or not; datasets with room for a chunk."""

import os
from math import prod
from typing import Any

import h5py
from h5py import h5d, h5p

from gradclip_cli.formats.hdf5.calls import path_of
from gradclip_cli.storage.random_access import reopened

_LEAST, _MOST = 1 << 20, 4 << 20
"""How many bytes of a file's structure are kept at hand: as much as HDF5 itself would keep takes up to 200 MB of objects."""


def opened(fd: int, mode: str) -> Any:
    """Return h5py's handle on the file behind `fd`; HDF5's usual driver wants a name, so one without goes through stdio's."""
    path = reopened(fd)
    if os.path.exists(os.path.realpath(path)):
        return _lean(h5py.File(path, mode, locking=False))
    try:
        return _lean(h5py.File(path, mode, driver="stdio", locking=False))
    except OSError as error:
        if mode != "r":
            raise
        raise OSError("it is cut short or damaged") from error  # this driver forgets what was wrong


def _lean(file: Any) -> Any:
    if file.mode == "r":  # what is written keeps the order in which HDF5 itself would write it
        config = file.id.get_mdc_config()
        config.set_initial_size, config.initial_size, config.min_size, config.max_size = True, _LEAST, _LEAST, _MOST
        file.id.set_mdc_config(config)
    return file


def opened_dataset(file: Any, name: str) -> Any:
    """Open a dataset so that a chunk stays unpacked for as long as pieces of it are read or written."""
    dataset = h5d.open(file.id, path_of(name))
    plan = dataset.get_create_plist()
    if plan.get_layout() != h5d.CHUNKED:
        return dataset
    chunk = prod(plan.get_chunk()) * dataset.get_type().get_size()
    del dataset  # the first that opens a dataset says how it is cached
    access = h5p.create(h5p.DATASET_ACCESS)
    access.set_chunk_cache(521, max(chunk, _LEAST), 1.0)
    return h5d.open(file.id, path_of(name), access)
