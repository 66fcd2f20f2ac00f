"""Write tensors from another process: each process writes its own ranges of the output, which one process begins and completes."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple
from zlib import crc32

from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.storage.descriptor import Descriptor
from gradclip_cli.storage.random_access import write_at
from gradclip_cli.tensors import TensorSpec


class Receipt(NamedTuple):
    """What a writer must know of a range that another process wrote: its CRC-32, its start in the tensor and its size, in bytes."""

    tensor: str
    start: int
    crc: int
    nbytes: int


class PlacedWriter:
    """Writes tensors at their offsets: what a writer becomes in another process.

    Where the output holds checksums (`summed`), it keeps a receipt for each write.
    """

    def __init__(self, tensors: Sequence[TensorSpec], file: Descriptor, path: str, summed: bool) -> None:
        self.tensors = tensors
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
) -> tuple[type[PlacedWriter], tuple[Any, ...]]:
    """Return what a writer is pickled as; raise TypeError if one of the tensors to write has no offset in the output."""
    if any(tensors[k].offset is None and tensors[k].size for k in pending):
        raise TypeError("what is packed is written by the process that began the output")
    return PlacedWriter, (tensors, Descriptor(fd), path, summed)
