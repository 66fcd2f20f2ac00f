"""HDF5 files opened by their descriptor, whether they still have a name or not."""

import os
from typing import Any

from gradclip_cli.files import reopened
from gradclip_cli.formats.hdf5 import types  # noqa: F401  it says, before h5py is there, that no plugin may be loaded

import h5py  # isort: skip


def opened(fd: int, mode: str) -> Any:
    """Return h5py's handle on the file behind `fd`; HDF5's usual driver wants a name, so one without goes through stdio's."""
    path = reopened(fd)
    if os.path.exists(os.path.realpath(path)):
        return h5py.File(path, mode, locking=False)
    try:
        return h5py.File(path, mode, driver="stdio", locking=False)
    except OSError as error:
        if mode != "r":
            raise
        raise OSError("it is cut short or damaged") from error  # this driver forgets what was wrong
