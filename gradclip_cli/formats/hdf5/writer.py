"""Write HDF5: contiguous datasets at their offsets, others through a child process in a fixed order."""

import io
import os
from collections.abc import Collection, Sequence
from typing import IO, Any, NamedTuple

import numpy as np

from gradclip_cli.errors import OutputError
from gradclip_cli.formats.by_offset import OffsetWriter, Receipt, reduced
from gradclip_cli.formats.copy_ranges import Copy, unchanged_ranges
from gradclip_cli.formats.hdf5.chunks import Band, Packing, aligned, bands_of, packed
from gradclip_cli.formats.hdf5.editor import Editor, Place
from gradclip_cli.formats.hdf5.filters import SCALE_OFFSET
from gradclip_cli.formats.hdf5.reader import Hdf5Reader
from gradclip_cli.formats.hdf5.walker import Dataset
from gradclip_cli.formats.ordered_output import OrderedOutput
from gradclip_cli.notes import Note
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.storage.random_access import extend, write_at
from gradclip_cli.tensors import TensorSpec

_IN_MEMORY = 1 << 16
"""The bytes of a dataset that needs no temporary file: to make one takes as long as to pack a few kilobytes."""


class Hdf5Writer:
    """An HDF5 file whose structure is written: a new file, or a copy of the one that `source` reads.

    The child writes datasets that are not contiguous, since a copy has the structure of a foreign file.
    """

    has_checksums = False
    notes: Sequence[Note] = ()

    def __init__(
        self,
        tensors: Sequence[TensorSpec],
        pending: Collection[int],
        copies: Sequence[Copy],
        fd: int,
        path: str,
        source: Hdf5Reader | None = None,
    ) -> None:
        self.tensors, self.pending, self.copies = tensors, pending, copies
        self._fd, self._path, self._source = fd, path, source
        self._editor: Editor | None = None
        self._packers: dict[str, BandPacker] = {}
        self._output = OrderedOutput(
            [tensors[k].name for k in sorted(pending) if tensors[k].offset is None and tensors[k].size]
        )

    def write(self, spec: TensorSpec, start: int, data: Raw) -> None:
        """Write stored elements from `start` on."""
        if spec.offset is not None:
            write_at(self._fd, spec.position(start), data.data, self._path)
        elif spec.size:
            dataset, packing = self._stored(spec)
            if packing is not None and packing.chunk == spec.shape and data.size == spec.nbytes:
                self._submit(spec.name, SingleChunk(dataset, packing.pack(data)))
                return
            if start == 0:
                self._packers[spec.name] = BandPacker(dataset, packing, self._held(spec))
            self._packers[spec.name].write(data)
            if start + data.size // spec.dtype.itemsize == spec.size:
                self._submit(spec.name, self._packers.pop(spec.name))

    def receipts(self) -> None:
        """Return None: what is written in this process is known."""

    def take(self, receipts: Sequence[Receipt]) -> None:
        """Do nothing: contiguous datasets have no checksums."""

    def __reduce__(self) -> tuple[type[OffsetWriter], tuple[Any, ...]]:
        return reduced(self.tensors, self.pending, self._fd, self._path)

    def finish(self) -> None:
        """Complete the file in the child, if it is open there."""
        if self._editor is not None:
            self._editor.finish()

    def close(self) -> None:
        """Release everything, also after an error."""
        self._output.close()
        if self._editor is not None:
            self._editor.close()

    def _stored(self, spec: TensorSpec) -> tuple[Dataset, Packing | None]:
        """Return a dataset of the source, and how it is packed if not only the library can do that."""
        if self._source is None:
            return Dataset(spec.name, spec.dtype, spec.shape), None
        dataset = self._source.datasets[spec.name]
        return dataset, self._source.layouts.packing(spec.name) if dataset.chunk is not None else None

    def _held(self, spec: TensorSpec) -> IO[bytes]:
        return io.BytesIO() if spec.nbytes <= _IN_MEMORY else self._output.spool(self._path)

    def _submit(self, name: str, packed: "SingleChunk | BandPacker") -> None:
        self._output.submit(name, lambda: packed.place(self._opened()))

    def _opened(self) -> Editor:
        """Open the file when its first dataset is placed, so that HDF5 changes it in the same order each time."""
        if self._editor is None:
            source = self._path if self._source is None else self._source.file.path
            self._editor = Editor(self._fd, os.fstat(self._fd).st_size, source, self._path)
        return self._editor


class SingleChunk(NamedTuple):
    """A dataset of one chunk, which is packed."""

    dataset: Dataset
    data: bytes

    def place(self, editor: Editor) -> None:
        """Write the dataset into the file."""
        editor.write(self.dataset.name, (0,) * len(self.dataset.shape), self.data)
        editor.complete(self.dataset.name)


class BandPacker:
    """Pack a dataset from first element to last, a band at a time, into a temporary file until it can be placed."""

    def __init__(self, dataset: Dataset, packing: Packing | None, held: IO[bytes]) -> None:
        self._dataset, self._itemsize, self._spool = dataset, dataset.itemsize, held
        self._packing = packing
        self._bands = bands_of(dataset.shape, self._itemsize, dataset.chunk)
        self._placed: list[tuple[Place, int]] = []
        self._next()

    def write(self, data: Raw) -> None:
        """Pack the next elements."""
        done = 0
        while done < data.size:
            part = data[done : done + self._held.size - self._filled]
            self._held[self._filled : self._filled + part.size] = part
            self._filled += part.size
            done += part.size
            if self._filled == self._held.size:
                self._pack(self._band)
                self._next()

    def place(self, editor: Editor) -> None:
        """Write the dataset into the file."""
        self._spool.seek(0)
        with self._spool:
            for where, size in self._placed:
                editor.write(self._dataset.name, where, self._spool.read(size))
            editor.complete(self._dataset.name)

    def _pack(self, band: Band) -> None:
        if self._packing is None or not aligned(band, self._dataset.shape, self._packing.chunk):
            self._keep(band, self._held.tobytes())
            return
        for origin, data in packed(self._held, band, self._packing):
            self._keep(origin, data)

    def _keep(self, where: Place, data: bytes) -> None:
        self._spool.write(data)
        self._placed.append((where, len(data)))

    def _next(self) -> None:
        band = next(self._bands, None)
        if band is not None:
            self._band, self._filled = band, 0
            self._held = np.empty((band.stop - band.start) * self._itemsize, np.uint8)


def rewrite(reader: Hdf5Reader, changed: Collection[int], fd: int, path: str) -> Hdf5Writer:
    """Begin a copy that differs only in the elements of `changed`."""
    for index in changed:
        _check_lossless(reader, reader.tensors[index], path)
    extend(fd, reader.file.size, path)  # HDF5 refuses a file that is shorter than its header says
    copies = unchanged_ranges(reader.file.size, [reader.tensors[k] for k in changed])
    return Hdf5Writer(reader.tensors, changed, copies, fd, path, reader)


def _check_lossless(reader: Hdf5Reader, spec: TensorSpec, path: str) -> None:
    """Raise OutputError if the filter of a dataset would round new elements again, to the steps of the old ones."""
    if spec.offset is None and SCALE_OFFSET in reader.datasets[spec.name].filters:
        message = "is packed by scale-offset, which would round it again; write another format, or repack it"
        raise OutputError(message, path=path, tensor=spec.name)
