"""A cache for one test, and what is opened."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.storage import stamps
from gradclip_cli.storage.random_access import InputFile

_OLD_NS = stamps.OLD_NS


@contextmanager
def used_cache(folder: Path, *, at_once: bool = True) -> Iterator[Path]:
    """Have the cache in a folder, and keep figures `at_once`, however new a file is; yield the path of the cache."""
    oldest = -(10**12) if at_once else _OLD_NS
    with mock.patch.dict(os.environ, {"XDG_CACHE_HOME": str(folder)}), mock.patch.object(stamps, "OLD_NS", oldest):
        yield folder / "gradclip" / "results.sqlite"


@contextmanager
def counted_reads() -> Iterator[list[str]]:
    """Yield the paths of the files whose elements are read in this process, once for each piece."""
    found: list[str] = []
    read_into = InputFile.read_into

    def counted(self: InputFile, offset: int, out: NDArray[np.uint8]) -> None:
        found.append(self.path)
        read_into(self, offset, out)

    with mock.patch.object(InputFile, "read_into", counted):
        yield found
