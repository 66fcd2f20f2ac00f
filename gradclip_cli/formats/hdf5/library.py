"""Call the HDF5 library: files opened by descriptor, datasets with room for a chunk, errors turned into ours.

Only calls of the library stand inside `reading` and `writing`, which do not touch TypeError or AttributeError: a bug of
ours keeps its traceback.
"""

import os
from functools import cache
from math import prod
from types import TracebackType
from typing import Any

import h5py
from h5py import h5d, h5f, h5p

from gradclip_cli.errors import GradclipError, InputError, OutputError
from gradclip_cli.storage.random_access import reopened

_FAILURES = (OSError, RuntimeError, ValueError, KeyError)
_LEAST, _MOST = 1 << 20, 4 << 20
"""How many bytes of a file's structure are kept in memory: HDF5's own choice takes up to 200 MB of objects."""


class _Failing:
    """Raise what a call of the library raises as an error of ours; opened some twenty times for the smallest file."""

    error: type[GradclipError]
    doing: str

    def __init__(self, path: str | None = None, tensor: str | None = None) -> None:
        self._path, self._tensor = path, tensor

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, _FAILURES):
            message = f"HDF5 cannot {self.doing} it: {str(error) or type(error).__name__}"
            raise self.error(message, path=self._path, tensor=self._tensor) from error


class reading(_Failing):  # noqa: N801 (a context, as those of contextlib)
    """Raise what a call of the library raises as an error of the input."""

    error, doing = InputError, "read"


class writing(_Failing):  # noqa: N801 (a context, as those of contextlib)
    """Raise what a call of the library raises as an error of the output."""

    error, doing = OutputError, "write"


def create_file(fd: int) -> h5py.File:
    """Begin a new file behind `fd`, whether that still has a name or not."""
    path = reopened(fd)
    return h5py.File(path, "w", driver=None if _has_name(path) else "stdio", locking=False)


def open_file(fd: int, mode: str) -> Any:
    """Return h5py's identifier of the file behind `fd`, whether that still has a name or not; `mode` is `r` or `r+`.

    HDF5's usual driver wants a name; a file without one goes through stdio's.
    """
    path, flags = reopened(fd), h5f.ACC_RDONLY if mode == "r" else h5f.ACC_RDWR
    named = _has_name(path)
    try:
        return h5f.open(os.fsencode(path), flags, fapl=_access(mode, named))
    except OSError as error:
        if named or mode != "r":
            raise
        raise OSError("it is cut short or damaged") from error  # this driver forgets what was wrong


def _has_name(path: str) -> bool:
    """Whether the file that a descriptor's path leads to can be found under a name."""
    try:
        return os.path.exists(os.readlink(path))
    except OSError:  # no link, on some systems
        return True


@cache
def _access(mode: str, named: bool) -> Any:
    """Say how files are opened, as h5py would say it.

    Little of the structure of a file that is read is kept in memory; one that is written keeps the order of HDF5's own writes.
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
    """Open a dataset so that a chunk stays unpacked for as long as pieces of it are read or written."""
    dataset = h5d.open(file, path_of(name))
    plan = dataset.get_create_plist()
    if plan.get_layout() != h5d.CHUNKED:
        return dataset
    chunk = prod(plan.get_chunk()) * dataset.get_type().get_size()
    del dataset  # the first that opens a dataset says how it is cached
    access = h5p.create(h5p.DATASET_ACCESS)
    access.set_chunk_cache(521, max(chunk, _LEAST), 1.0)
    return h5d.open(file, path_of(name), access)


def name_of(raw: bytes) -> str:
    """Return the name of a link; bytes that are not UTF-8 become lone surrogates, as in Python's file names."""
    return raw.decode("utf-8", "surrogateescape")


def path_of(name: str) -> bytes:
    """Return the bytes of a name: the inverse of `name_of`."""
    return name.encode("utf-8", "surrogateescape")
