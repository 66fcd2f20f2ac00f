"""How h5py is called: by one thread at a time, and with its errors turned into ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from h5py._objects import phil as lock

from gradclip_cli.errors import InputError, OutputError

# HDF5 is not made for threads. Not every call of h5py takes this lock of its own, so we take it around them.
__all__ = ["let_go", "lock", "mapped", "name_of", "path_of", "written"]

_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, AttributeError, MemoryError)


@contextmanager
def mapped(path: str, tensor: str | None = None) -> Iterator[None]:
    """Turn h5py's errors into gradclip's."""
    try:
        yield
    except _ERRORS as error:
        reason = str(error) or type(error).__name__
        raise InputError(f"HDF5 cannot read it: {reason}", path=path, tensor=tensor) from error


@contextmanager
def written(path: str, tensor: str | None) -> Iterator[None]:
    """Turn h5py's errors into errors of the output."""
    try:
        with mapped(path, tensor):
            yield
    except InputError as error:
        raise OutputError(error.message.replace("read", "write", 1), path=path, tensor=tensor) from error


_stuck: list[Any] = []


def let_go(handle: Any) -> None:
    """Close a file; one that HDF5 fails to close is kept, since it would try again, and print a traceback, when it is freed."""
    try:
        with lock:
            handle.close()
    except _ERRORS:
        _stuck.append(handle)


def name_of(raw: bytes) -> str:
    """Return the name of a link; bytes that are not UTF-8 become lone surrogates, as in Python's file names."""
    return raw.decode("utf-8", "surrogateescape")


def path_of(name: str) -> bytes:
    """Return the bytes of a name: the inverse of `name_of`."""
    return name.encode("utf-8", "surrogateescape")
