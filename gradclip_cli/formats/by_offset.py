"""Read and write elements at their offsets from another process, for the one that knows the headers and completes the output."""

import weakref
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple
from zlib import crc32

from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.storage.base import RandomAccess
from gradclip_cli.storage.descriptor import Descriptor
from gradclip_cli.storage.fingerprint import Fingerprint, changed
from gradclip_cli.storage.random_access import open_input, write_at
from gradclip_cli.tensors import TensorSpec


class Receipt(NamedTuple):
    """What a writer must know of a range that another process wrote: its CRC-32, its start in the tensor and its size, in bytes."""

    tensor: str
    start: int
    crc: int
    nbytes: int


class Sums(NamedTuple):
    """Checksums of what was read: the CRC-32 and the size of runs of a tensor's elements by their first byte, for each tensor.

    `whole` are the members that were read to their end and have the right checksum.
    """

    of: dict[str, dict[int, tuple[int, int]]]
    whole: set[str]


class OffsetReader:
    """Reads elements that have an offset from a file whose header another process has read. For one thread."""

    def __init__(self, path: str, fingerprint: Fingerprint, summed: bool) -> None:
        self._path, self._fingerprint, self._summed = path, fingerprint, summed
        self._file: RandomAccess | None = None
        self._sums: dict[str, dict[int, tuple[int, int]]] = {}

    def read(self, spec: TensorSpec, start: int, out: Raw) -> None:
        """Fill `out` with stored elements from `start` on; raise InputError if the file has changed."""
        self.file.read_into(spec.position(start), out)
        if self._summed:
            self._sums.setdefault(spec.name, {})[start * spec.dtype.itemsize] = crc32(out.data), out.size

    def receipts(self) -> Sums | None:
        """Return and forget the checksums of what was read."""
        found, self._sums = self._sums, {}
        return Sums(found, set()) if found else None

    @property
    def file(self) -> RandomAccess:
        """The file; raises InputError if it has changed, or cannot be opened."""
        return self._file if self._file is not None else self._open()

    def _open(self) -> RandomAccess:
        file = open_input(self._path)
        weakref.finalize(self, file.__exit__, None, None, None)
        if file.fingerprint.anywhere != self._fingerprint.anywhere:
            raise changed(self._path)
        self._file = file
        return file


class OffsetWriter:
    """Writes tensors at their offsets: what a writer becomes in another process.

    Where the output holds checksums (`summed`), it keeps a receipt for each write.
    """

    def __init__(self, file: Descriptor, path: str, summed: bool) -> None:
        self._file, self._path, self._summed = file, path, summed
        self._receipts: list[Receipt] = []

    def write(self, spec: TensorSpec, start: int, data: Raw) -> None:
        """Write stored elements from `start` on; raise OutputError if that fails."""
        if data.size:
            write_at(self._file.fd, spec.position(start), data.data, self._path)
        if data.size and self._summed:
            self._receipts.append(Receipt(spec.name, start * spec.dtype.itemsize, crc32(data.data), data.size))

    def receipts(self) -> list[Receipt] | None:
        """Return and forget the receipts, for `take` of the writer that began the output; None if there are none."""
        found, self._receipts = self._receipts, []
        return found or None


def reduced(
    tensors: Sequence[TensorSpec], pending: Collection[int], fd: int, path: str, *, summed: bool = False
) -> tuple[type[OffsetWriter], tuple[Any, ...]]:
    """Return what a writer is pickled as; raise TypeError if one of the tensors to write has no offset in the output."""
    if any(tensors[k].offset is None and tensors[k].size for k in pending):
        raise TypeError("what is packed is written by the process that began the output")
    return OffsetWriter, (Descriptor(fd), path, summed)
