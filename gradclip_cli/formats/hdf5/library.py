"""Call the HDF5 library: open files by descriptor, open datasets with a cache for one chunk, convert errors.

Wrap only calls of the library in `reading` and `writing`. They do not convert TypeError or AttributeError, so that a bug
of ours keeps its traceback.
"""

import os
from functools import cache
from math import prod
from types import TracebackType
from typing import Any

import h5py
from h5py import h5d, h5f, h5fd, h5p

from gradclip_cli.errors import GradclipError, InputError, OutputError
from gradclip_cli.formats.hdf5.blocks import BlockFile
from gradclip_cli.storage.random_access import reopened

FAILURES = (OSError, RuntimeError, ValueError, KeyError)
"""What h5py raises for errors of the library."""
_LEAST, _MOST = 1 << 20, 4 << 20
"""The bytes of a file's structure to keep in memory: with HDF5's own limits, the objects take up to 200 MB."""


class _Failing:
    """Convert errors of the library; a class, since it is entered some twenty times even for the smallest file."""

    error: type[GradclipError]
    doing: str

    def __init__(self, path: str | None = None, tensor: str | None = None) -> None:
        self._path, self._tensor = path, tensor

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, FAILURES):
            message = f"HDF5 cannot {self.doing} it: {str(error) or type(error).__name__}"
            raise self.error(message, path=self._path, tensor=self._tensor) from error


class reading(_Failing):  # noqa: N801 (a context, as those of contextlib)
    """Raise errors of the library as InputError."""

    error, doing = InputError, "read"


class writing(_Failing):  # noqa: N801 (a context, as those of contextlib)
    """Raise errors of the library as OutputError."""

    error, doing = OutputError, "write"


def create_file(fd: int) -> h5py.File:
    """Begin a new file in `fd`, which may have no name."""
    path = reopened(fd)
    return h5py.File(path, "w", driver=None if _has_name(path) else "stdio", locking=False)


def open_file(fd: int, mode: str) -> Any:
    """Return h5py's identifier of the file in `fd`, which may have no name; `mode` is `r` or `r+`.

    HDF5's default driver needs a name; a file without one is opened with the stdio driver.
    """
    path, flags = reopened(fd), h5f.ACC_RDONLY if mode == "r" else h5f.ACC_RDWR
    named = _has_name(path)
    try:
        return h5f.open(os.fsencode(path), flags, fapl=_access(mode, named))
    except OSError as error:
        if named or mode != "r":
            raise
        raise OSError("it is cut short or damaged") from error  # the stdio driver does not say what is wrong


def open_blocks(file: BlockFile) -> Any:
    """Return h5py's identifier of a remote file, which is only read."""
    access = _access("r", True).copy()
    access.set_fileobj_driver(h5fd.fileobj_driver, file)
    return h5f.open(b"remote", h5f.ACC_RDONLY, fapl=access)


def _has_name(path: str) -> bool:
    """Return whether the file behind the path of a descriptor exists under a name."""
    try:
        return os.path.exists(os.readlink(path))
    except OSError:  # no link, on some systems
        return True


@cache
def _access(mode: str, named: bool) -> Any:
    """Return the file access properties that h5py would set.

    A file that is read gets a small cache. One that is written gets the default cache, which keeps the order of writes.
    """
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_fclose_degree(h5f.CLOSE_STRONG)
    access.set_libver_bounds(h5f.LIBVER_EARLIEST, h5f.LIBVER_LATEST)
    access.set_file_locking(False, False)
    if not named:
        access.set_fapl_stdio()
    if mode == "r":
        config = access.get_mdc_config()
        config.set_initial_size, config.initial_size, config.min_size, config.max_size = True, _LEAST, _LEAST, _MOST
        access.set_mdc_config(config)
    return access


def open_dataset(file: Any, name: str) -> Any:
    """Open a dataset with a cache that holds one unpacked chunk while pieces of it are read or written."""
    dataset = h5d.open(file, path_of(name))
    plan = dataset.get_create_plist()
    if plan.get_layout() != h5d.CHUNKED:
        return dataset
    chunk = prod(plan.get_chunk()) * dataset.get_type().get_size()
    del dataset  # the first open handle of a dataset fixes its cache
    access = h5p.create(h5p.DATASET_ACCESS)
    access.set_chunk_cache(521, max(chunk, _LEAST), 1.0)
    return h5d.open(file, path_of(name), access)


def name_of(raw: bytes) -> str:
    """Return the name of a link; bytes that are not UTF-8 become lone surrogates, as in Python's file names."""
    return raw.decode("utf-8", "surrogateescape")


def path_of(name: str) -> bytes:
    """Return the bytes of a name: the inverse of `name_of`."""
    return name.encode("utf-8", "surrogateescape")
