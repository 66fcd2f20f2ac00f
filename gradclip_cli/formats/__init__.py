"""The file formats: one package each with a `Format` value, found by a file's content, never by its name."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, cast

from gradclip_cli.errors import InputError, UsageError

if TYPE_CHECKING:
    from gradclip_cli.formats.base import Format, Options, Reader
    from gradclip_cli.storage.random_access import InputFile

FORMATS = ("safetensors", "hdf5", "npz")
"""The packages that hold formats, each under its own name in capitals; each is imported when it is first needed."""

_PICKLED = (".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle")


def by_name(name: str) -> "Format":
    """Return the format called `name`."""
    if name not in FORMATS:
        raise UsageError(f"there is no format {name!r}; formats are {', '.join(FORMATS)}")
    return cast("Format", getattr(import_module(f"{__name__}.{name}"), name.upper()))


def suffixes() -> tuple[str, ...]:
    """Return the endings of file names that dumps have."""
    return tuple(suffix for name in FORMATS for suffix in by_name(name).suffixes)


def by_suffix(path: str) -> "Format | None":
    """Return the format that a file name promises, if any does."""
    suffix = os.path.splitext(path)[1].lower()
    return next((by_name(name) for name in FORMATS if suffix in by_name(name).suffixes), None)


@contextmanager
def one_call() -> Iterator[None]:
    """Share between all files opened inside what a format starts for the first of them."""
    from gradclip_cli.formats.hdf5.sharing import one_child

    with one_child():
        yield


@contextmanager
def opened(path: str, options: "Options", name: str | None = None) -> Iterator[tuple["Format", "Reader"]]:
    """Open a dump, as format `name` or as what its first bytes say it is."""
    from gradclip_cli.formats.base import check_shapes
    from gradclip_cli.storage.random_access import InputFile

    with InputFile(path) as file:
        format = by_name(name) if name else _recognised(file)
        file.complete()  # only now: what is no dump may never end
        reader = format.open_reader(file, options)
        try:
            check_shapes(reader)
            yield format, reader
        finally:
            reader.close()


def _recognised(file: "InputFile") -> "Format":
    head = file.read(0, 64)
    for name in FORMATS:
        if by_name(name).matches(head, file):
            return by_name(name)
    raise InputError(f"is none of {', '.join(FORMATS)}; {_advice(head, file.path)}", path=file.path)


def _advice(head: bytes, path: str) -> str:
    from gradclip_cli.formats.base import PICKLE_ADVICE

    if head[:2] == b"\x80\x02" or os.path.splitext(path)[1].lower() in _PICKLED:
        return PICKLE_ADVICE
    if head.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer: fetch the file itself with `git lfs pull`"
    if not head:
        return "it is empty"
    return "save the gradients with one of their libraries"
