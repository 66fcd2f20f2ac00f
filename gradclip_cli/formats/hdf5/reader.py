"""Read HDF5: the structure through a child process, contiguous elements from the file, chunked ones band by band."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from gradclip_cli.errors import InputError
from gradclip_cli.formats.base import Options, check_declared, read_through
from gradclip_cli.formats.hdf5 import chunks, user_block
from gradclip_cli.formats.hdf5.band_reader import BandReader
from gradclip_cli.formats.hdf5.chunk_table import DamagedError
from gradclip_cli.formats.hdf5.walker import Dataset, Walker
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.storage.random_access import RandomAccess
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import shortlist

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gradclip_cli.notes import Note

_MOST_UNPACKED = 64 << 20
"""The largest chunk in bytes that is read without --allow-huge: a kilobyte may unpack to a megabyte."""
_OWN_FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", 6: "scale-offset", 32000: "lzf"}
"""The filters that HDF5 and h5py include; for any other, HDF5 would load a library from its plugin folders."""
SCALE_OFFSET = 6


class Hdf5Reader:
    """An open HDF5 file; datasets are in the order of their names, each under one name."""

    pickled: Sequence[str] = ()

    def __init__(self, file: RandomAccess, options: Options) -> None:
        self.file, self.walker = file, Walker(file)
        self.tensors: list[TensorSpec] = []
        self.metadata: dict[str, str] = {}
        self.notes: list[Note] = []
        self.datasets: dict[str, Dataset] = {}  # those of numbers
        self._bands: dict[str, BandReader] = {}
        self._chunks: dict[str, NDArray[np.int64]] = {}  # offsets and sizes, by dataset
        self._whole: set[str] = set()  # datasets that were read to their end
        with ExitStack() as unless_sound:
            unless_sound.callback(self.close)
            self._look(options)
            unless_sound.pop_all()

    def read(self, spec: TensorSpec, start: int, out: Raw) -> None:
        """Fill `out` with stored elements from `start` on."""
        if spec.offset is not None:
            self.file.read_into(spec.position(start), out)
            return
        try:
            if start == 0:
                self._begin(spec.name)
            self._bands[spec.name].read_into(out)
        except DamagedError as error:
            raise InputError(f"HDF5 cannot read it: {error}", path=self.file.path, tensor=spec.name) from error
        if start + out.size // spec.dtype.itemsize == spec.size:
            del self._bands[spec.name]
            self._whole.add(spec.name)
            self.walker.leave(spec.name)

    def _begin(self, name: str) -> None:
        """Start to read a dataset; raise InputError if its filter is not included in HDF5."""
        dataset = self.datasets[name]
        for number in dataset.filters:
            if number not in _OWN_FILTERS:
                message = (
                    f"is packed by filter {number}, which is none of HDF5's own; repack it, as by h5repack -f GZIP=4"
                )
                self._refuse(message, name)
        band = self._bands[name] = BandReader(dataset, self.walker)
        if band.table is not None:
            self._chunks[name] = band.table.extents

    def verify(self, rest: bool = False) -> None:
        """Raise InputError if the file has changed; with `rest`, also if a dataset that was not read cannot be read."""
        for spec in self.tensors if rest else ():
            if spec.offset is None and spec.size and spec.name not in self._whole:
                read_through(self, spec)
        if rest and self._chunks:
            self._check_chunks()
        self.file.check_unchanged()

    def not_convertible(self) -> list[str]:
        """Describe links, owners of attributes, groups without datasets, a user block, and what is not numbers."""
        full = {name[:at] for name, *_ in self._found.datasets for at, c in enumerate(name) if c == "/"}
        kinds = (
            ("links", [name for name, _ in self._found.aliases]),
            ("attributes of", self._found.attributed),
            ("groups without datasets", [name for name in self._found.groups if name not in full]),
            ("not numbers", list(self.non_numeric)),
        )
        found = [f"{kind} {shortlist(names)}" for kind, names in kinds if names]
        block = user_block(self.file)
        return [*found, f"a user block of {block:,} bytes"] if block else found

    def close(self) -> None:
        """Close the file in the child."""
        self.walker.close()

    def _look(self, options: Options) -> None:
        """Walk the file and check its contents."""
        file = self.file
        self._found = found = self.walker.contents(options.void_dtype)
        self.non_numeric = found.non_numeric
        for dataset in found.datasets:
            self._add(dataset, found.labels, options)
        if found.non_numeric and not self.tensors:
            raise InputError("holds no dataset of numbers", path=file.path)
        check_declared(file, sum(spec.nbytes for spec in self.tensors), options)
        self._check_overlap()

    def _add(self, dataset: Dataset, labels: dict[str, str], options: Options) -> None:
        """Add the tensor of a dataset; raise InputError if the dataset must be refused."""
        name, dtype, shape, offset, storage, chunk, filters, problem, grows = dataset
        if problem is not None:
            self._refuse(problem, name)
        if dtype is None:
            self.non_numeric.append(name)
            return
        spec = TensorSpec(name, dtype, shape, offset, label=_label(name, labels), grows=grows)
        if offset is not None and (offset + spec.nbytes > self.file.size or storage != spec.nbytes):
            self._refuse("has elements past the end of the file", name)
        if chunk is not None:
            spec.held = self._check_chunk(chunk, spec, options)
            if len(set(filters)) < len(filters):
                self._refuse("is packed twice by the same filter", name)
        self.datasets[name] = dataset
        self.tensors.append(spec)

    def _check_chunk(self, chunk: tuple[int, ...], spec: TensorSpec, options: Options) -> int:
        """Return the size of a chunk in bytes; raise InputError if it is larger than it needs to be."""
        nbytes = spec.dtype.itemsize
        for size in chunk:
            nbytes *= size
        if nbytes > max(4 * chunks.BAND_BYTES, 2 * spec.nbytes) or len(chunk) != len(spec.shape):
            self._refuse(f"has chunks of {nbytes:,} bytes for {spec.nbytes:,}", spec.name)
        if nbytes > _MOST_UNPACKED and not options.allow_huge:
            message = f"has chunks of {nbytes:,} bytes, each unpacked in one piece; give --allow-huge if that is right"
            self._refuse(message, spec.name)
        return nbytes

    def _check_overlap(self) -> None:
        end = 0
        for spec in sorted((s for s in self.tensors if s.offset is not None and s.size), key=lambda s: s.position(0)):
            if spec.position(0) < end:
                self._refuse("shares its bytes with another dataset", spec.name)
            end = spec.position(spec.size)

    def _check_chunks(self) -> None:
        """Raise InputError if a chunk overlaps another dataset: writing to one would change both."""
        lying = [spec for spec in self.tensors if spec.offset is not None and spec.size]
        places = {spec.name: np.array([[spec.position(0), spec.nbytes]]) for spec in lying} | self._chunks
        rows = np.concatenate(list(places.values()))
        order = np.argsort(rows[:, 0], kind="stable")
        starts, ends = rows[order, 0], rows[order].sum(axis=1)
        shared = np.flatnonzero(starts[1:] < ends[:-1])
        if shared.size:
            owners = np.repeat(np.arange(len(places)), [len(extents) for extents in places.values()])
            tensor = list(places)[owners[order[shared[0] + 1]]]
            self._refuse("shares its bytes with another dataset", tensor)

    def _refuse(self, message: str, tensor: str) -> NoReturn:
        raise InputError(message, path=self.file.path, tensor=tensor)


def _label(name: str, labels: dict[str, str]) -> str | None:
    """Return the `name` attribute of the nearest enclosing group: Keras 3 writes the name of a layer there."""
    while name := os.path.dirname(name):
        if name in labels:
            return labels[name]
    return None
