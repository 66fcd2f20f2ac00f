"""The file formats: each is a package here and a line in the registry. A file is recognised by its content, not its name."""

import os
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from gradclip_cli.errors import UsageError
from gradclip_cli.storage.location_names import without_query

if TYPE_CHECKING:
    from gradclip_cli.formats.base import Format


def _safetensors() -> "Format":
    from gradclip_cli.formats.safetensors import SAFETENSORS

    return SAFETENSORS


def _hdf5() -> "Format":
    from gradclip_cli.formats.hdf5 import HDF5

    return HDF5


def _npz() -> "Format":
    from gradclip_cli.formats.npz import NPZ

    return NPZ


_LOADERS: dict[str, Callable[[], "Format"]] = {"safetensors": _safetensors, "npz": _npz, "hdf5": _hdf5}

FORMATS = tuple(_LOADERS)
"""The names of the formats, in the order in which a file is held against them: HDF5 may begin anywhere, which takes further looks."""


@cache
def by_name(name: str) -> "Format":
    """Return the format called `name`; raise UsageError if there is none."""
    if name not in _LOADERS:
        raise UsageError(f"there is no format {name!r}; formats are {', '.join(FORMATS)}")
    return _LOADERS[name]()


def suffixes() -> tuple[str, ...]:
    """Return the suffixes of the file names of dumps."""
    return tuple(suffix for name in FORMATS for suffix in by_name(name).suffixes)


def by_suffix(path: str) -> "Format | None":
    """Return the format that the suffix of a file name stands for, or None."""
    suffix = os.path.splitext(without_query(path))[1].lower()
    return next((by_name(name) for name in FORMATS if suffix in by_name(name).suffixes), None)
