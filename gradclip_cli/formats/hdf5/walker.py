"""Ask a child process for the contents of a file: it walks the foreign structure and returns plain values.

On some damaged files the HDF5 library dies, hangs or takes all memory, in ways that no list of checks can foresee. One child
serves all files of a call (see `child.shared`).
"""

from collections.abc import Iterator, Sequence
from itertools import takewhile
from math import prod
from typing import Any, NamedTuple

import numpy as np

from gradclip_cli.errors import InputError
from gradclip_cli.formats.hdf5.chunk_table import FIELDS, Rows
from gradclip_cli.formats.hdf5.chunks import Band, Packing
from gradclip_cli.formats.hdf5.link import Link
from gradclip_cli.numerics.dtypes import DType, Raw
from gradclip_cli.storage.base import RandomAccess


class Dataset(NamedTuple):
    """A dataset and how it is stored; `dtype` is None if it is not of numbers, `problem` says why it must be refused.

    `role` is what it is if it is no gradient, in the plural. `grows` says that its first axis has no limit, `floats` that its
    elements are not numbers, but hold floats.
    """

    name: str
    dtype: DType | None = None
    shape: tuple[int, ...] = ()
    offset: int | None = None
    storage: int = 0  # in bytes, in the file
    chunk: tuple[int, ...] | None = None
    filters: tuple[int, ...] = ()
    problem: str | None = None
    role: str | None = None
    grows: bool = False
    floats: bool = False

    @property
    def itemsize(self) -> int:
        """The size of an element in bytes."""
        return self.dtype.itemsize if self.dtype is not None else 1


class Contents(NamedTuple):
    """The contents of a file: datasets under their first names, and `aliases` of other names with their targets.

    `metadata` are the attributes of the file itself that hold a text or a number.
    """

    datasets: list[Dataset]
    aliases: list[tuple[str, str]]
    labels: dict[str, str]  # `name` attributes, by group
    non_numeric: list[str]
    groups: list[str]
    attributed: list[str]
    metadata: dict[str, str]


class ChunkLayout(NamedTuple):
    """How the chunks of a dataset are packed (None: only the library can unpack them), and a list of them that is not checked."""

    packing: Packing | None
    rows: Rows


class Walker:
    """A file that the child reads: it is open here, and the child opens its descriptor."""

    def __init__(self, file: RandomAccess) -> None:
        self.file = file
        self._link = Link(file.fd, "r", file.size, file.path, file.path, file if file.fd is None else None)

    def contents(self, void_dtype: str | None) -> Contents:
        """Walk the file and return its contents."""
        datasets, *others = self._link.ask("walk", void_dtype).value
        return Contents(list(_datasets(datasets)), *others)

    def layouts(self, names: Sequence[str]) -> list[ChunkLayout]:
        """Return the layouts of the first of these datasets of chunks, in one message, as far as that is possible.

        Raises the error of the first of them if it is the only one; of several it may return none.
        """
        names = self._askable(names)
        try:
            packings, rows = self._link.ask("layouts", names, tensors=names)[:2]
        except InputError:
            if len(names) > 1:
                return []
            raise
        table, found, start = np.frombuffer(rows, np.int64).reshape(-1, FIELDS), [], 0
        for packing, count in packings:
            packed = Packing(tuple(packing[0]), *packing[1:]) if packing else None
            found.append(ChunkLayout(packed, table[start : start + count]))
            start += count
        return found

    def elements(self, datasets: Sequence[Dataset]) -> list[Raw]:
        """Return all elements of the first of these datasets, which the library unpacks, as far as that is possible."""
        names = self._askable([dataset.name for dataset in datasets])
        nbytes = max(4 * _nbytes(dataset) + 6 * prod(dataset.chunk or ()) * dataset.itemsize for dataset in datasets)
        try:
            count, data = self._link.ask("elements", names, tensors=names, nbytes=nbytes)[:2]
        except InputError:
            return []
        raw, found, start = np.frombuffer(data, np.uint8), [], 0
        for dataset in datasets[:count]:
            found.append(raw[start : start + _nbytes(dataset)])
            start += _nbytes(dataset)
        return found if start == raw.size else []

    def _askable(self, names: Sequence[str]) -> Sequence[str]:
        """Return the first names, up to one of which a child has died; at least one."""
        return list(takewhile(lambda name: name not in self._link.fatal, names)) or names[:1]

    def filling(self, name: str) -> bytes:
        """Return the fill value of a dataset as it is stored."""
        return bytes(self._link.ask("filling", name, tensors=[name]).payload)

    def read(self, dataset: Dataset, band: Band) -> Raw:
        """Return the elements of a band, which the library unpacks."""
        expected = (band.stop - band.start) * dataset.itemsize
        nbytes = 4 * expected + 6 * prod(dataset.chunk or ()) * dataset.itemsize
        found = self._link.ask("read", dataset.name, *_plain(band), tensors=[dataset.name], nbytes=nbytes).payload
        if len(found) != expected:
            raise InputError("HDF5 cannot read it: the file is damaged", path=self.file.path, tensor=dataset.name)
        return np.frombuffer(found, np.uint8)

    def leave(self, name: str) -> None:
        """Let the child release a dataset."""
        self._link.ask("leave", name, tensors=[name])

    def close(self) -> None:
        """Close the file in the child."""
        self._link.close()


def _plain(band: Band) -> tuple[Any, ...]:
    return band.start, band.stop, band.origin, band.count


def _nbytes(dataset: Dataset) -> int:
    return prod(dataset.shape) * dataset.itemsize


def _datasets(rows: list[list[Any]]) -> Iterator[Dataset]:
    """Make datasets from the lists of a message; equal types become one object, so that neighbours can be read together."""
    types: dict[tuple[Any, ...], DType] = {}
    for name, kind, shape, offset, storage, chunk, filters, *rest in rows:
        dtype = None if kind is None else types.setdefault(tuple(kind), DType(*kind))
        chunks = None if chunk is None else tuple(chunk)
        yield Dataset(name, dtype, tuple(shape), offset, storage, chunks, tuple(filters), *rest)
