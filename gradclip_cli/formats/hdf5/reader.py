"""Reading HDF5: headers through h5py, contiguous elements past it, chunked ones band by band."""

import os
from contextlib import ExitStack
from typing import NoReturn

import numpy as np
from h5py import h5d, h5o, h5s
from numpy.typing import NDArray

from gradclip_cli.errors import InputError
from gradclip_cli.formats import hdf5
from gradclip_cli.formats.base import Options, check_declared, read_through
from gradclip_cli.formats.hdf5 import heaps
from gradclip_cli.formats.hdf5.banded import BAND_BYTES, BandReader
from gradclip_cli.formats.hdf5.calls import let_go, lock, mapped, path_of
from gradclip_cli.formats.hdf5.handles import opened, opened_dataset
from gradclip_cli.formats.hdf5.types import dtype_of
from gradclip_cli.formats.hdf5.walk import walk
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.storage.random_access import InputFile
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import listed

_MOST_UNPACKED = 64 << 20
"""The largest chunk that is read without asking: a kilobyte may unpack to a megabyte."""


class Hdf5Reader:
    """An opened HDF5 file; datasets in the order of their names, each at one name."""

    def __init__(self, file: InputFile, options: Options) -> None:
        self.file = file
        heaps.check(file, hdf5.base(file) or 0)
        with mapped(file.path), lock:
            self.handle = opened(file.fd, "r")
        self.tensors: list[TensorSpec] = []
        self._bands: dict[str, BandReader] = {}
        self._chunks: dict[str, NDArray[np.int64]] = {}  # where those of each dataset lie
        self._whole: set[str] = set()  # datasets that have been read to their end
        with ExitStack() as unless_sound:
            unless_sound.callback(self.close)
            self._look(options)
            unless_sound.pop_all()

    def read(self, spec: TensorSpec, start: int, out: Raw) -> None:
        """Fill `out` with stored elements from `start` on."""
        if spec.offset is not None:
            self.file.read_into(spec.position(start), out)
            return
        with mapped(self.file.path, spec.name):
            if start == 0:
                with lock:
                    self._begin(spec)
            self._bands[spec.name].read_into(out)
            if start + out.size // spec.dtype.itemsize == spec.size:
                del self._bands[spec.name]
                self._whole.add(spec.name)

    def _begin(self, spec: TensorSpec) -> None:
        band = self._bands[spec.name] = BandReader(opened_dataset(self.handle, spec.name), spec, self.file)
        if band.table is not None:
            self._chunks[spec.name] = band.table.extents

    def verify(self, rest: bool = False) -> None:
        """Raise if the file has changed since it was opened; with `rest`, if a dataset that was not read cannot be."""
        for spec in self.tensors if rest else ():
            if spec.offset is None and spec.size and spec.name not in self._whole:
                read_through(self, spec)
        if rest and self._chunks:
            self._check_chunks()
        self.file.check_unchanged()

    def extras(self) -> list[str]:
        """Name the links, the attributes' owners, groups without datasets, a user block, and what is not numbers."""
        full = {name[:at] for name in self._found.datasets for at, c in enumerate(name) if c == "/"}
        kinds = (
            ("links", [name for name, _ in self._found.aliases]),
            ("attributes of", self._found.attributed),
            ("groups without datasets", [name for name in self._found.groups if name not in full]),
            ("not numbers", list(self.others)),
        )
        found = [f"{kind} {listed(names)}" for kind, names in kinds if names]
        with lock:
            block = self.handle.userblock_size
        return [*found, f"a user block of {block:,} bytes"] if block else found

    def close(self) -> None:
        """Close h5py's own handle."""
        let_go(self.handle)

    def _look(self, options: Options) -> None:
        """Walk the file and check what is in it."""
        file = self.file
        with mapped(file.path), lock:
            found = walk(self.handle, file.path)
        self._found = found
        self.others = found.others
        for name in found.datasets:
            self._add(name, found.labels, options)
        if found.others and not self.tensors:
            raise InputError("holds no dataset of numbers", path=file.path)
        check_declared(file, sum(spec.nbytes for spec in self.tensors), options)
        self._check_overlap()

    def _add(self, name: str, labels: dict[str, str], options: Options) -> None:
        with mapped(self.file.path, name), lock:
            dataset = h5o.open(self.handle.id, path_of(name))
            plan = dataset.get_create_plist()
            layout = plan.get_layout()
            if layout == h5d.VIRTUAL or plan.get_external_count():
                self._refuse("has its elements in other files, which are not opened", name)
            try:
                dtype = dtype_of(dataset, options.void_dtype)
            except ValueError as error:
                self._refuse(str(error), name)
            if dtype.kind == "other" or dataset.get_space().get_simple_extent_type() == h5s.NULL:
                self.others.append(name)
                return
            # Where nothing was ever written, the offset is undefined, and h5py adds the size of a user block to that.
            offset = dataset.get_offset() if layout == h5d.CONTIGUOUS and dataset.get_storage_size() else None
            spec = TensorSpec(name, dtype, tuple(dataset.shape), offset, label=_label(name, labels))
            if offset is not None and (
                offset + spec.nbytes > self.file.size or dataset.get_storage_size() != spec.nbytes
            ):
                self._refuse("has elements past the end of the file", name)
            if layout == h5d.CHUNKED:
                spec.held = self._check_chunk(plan.get_chunk(), spec, options)
                self._check_filters([plan.get_filter(k)[0] for k in range(plan.get_nfilters())], name)
            self.tensors.append(spec)

    def _check_chunk(self, chunk: tuple[int, ...], spec: TensorSpec, options: Options) -> int:
        """Return the size of a chunk; raise where it is larger than it needs to be."""
        nbytes = spec.dtype.itemsize
        for size in chunk:
            nbytes *= size
        if nbytes > max(4 * BAND_BYTES, 2 * spec.nbytes) or len(chunk) != len(spec.shape):
            self._refuse(f"has chunks of {nbytes:,} bytes for {spec.nbytes:,}", spec.name)
        if nbytes > _MOST_UNPACKED and not options.allow_huge:
            message = f"has chunks of {nbytes:,} bytes, each unpacked in one piece; give --allow-huge if that is right"
            self._refuse(message, spec.name)
        return nbytes

    def _check_filters(self, filters: list[int], name: str) -> None:
        if len(set(filters)) < len(filters):
            self._refuse("is packed twice by the same filter", name)

    def _check_overlap(self) -> None:
        end = 0
        for spec in sorted((s for s in self.tensors if s.offset is not None and s.size), key=lambda s: s.position(0)):
            if spec.position(0) < end:
                self._refuse("shares its bytes with another dataset", spec.name)
            end = spec.position(spec.size)

    def _check_chunks(self) -> None:
        """Raise where a chunk lies on top of another dataset: whoever writes to one would change both."""
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
    """The `name` attribute of the nearest group around a dataset: Keras 3 writes a layer's own name there."""
    while name := os.path.dirname(name):
        if name in labels:
            return labels[name]
    return None
