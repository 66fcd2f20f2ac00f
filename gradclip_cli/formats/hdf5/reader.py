"""Read HDF5: the structure through a child process, contiguous elements from the file, chunked ones band by band."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from math import prod
from typing import Any, NoReturn

import numpy as np

from gradclip_cli.errors import InputError
from gradclip_cli.formats.base import Headers, Options, check_declared, read_through
from gradclip_cli.formats.hdf5 import chunks, filters, unfinished, user_block
from gradclip_cli.formats.hdf5.band_reader import BandReader, table_of
from gradclip_cli.formats.hdf5.chunk_layouts import ChunkLayouts
from gradclip_cli.formats.hdf5.chunk_table import DamagedError, Extents, first_overlapping
from gradclip_cli.formats.hdf5.small_datasets import MOST_DATASETS, SmallDatasets
from gradclip_cli.formats.hdf5.walker import ChunkLayout, Contents, Dataset, Walker
from gradclip_cli.notes import Note
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.numerics.norms import BLOCK
from gradclip_cli.storage.base import RandomAccess
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import shortlist

_MOST_UNPACKED = 64 << 20
"""The largest chunk in bytes that is read without --allow-huge: a kilobyte may unpack to a megabyte."""


class Hdf5Reader:
    """An open HDF5 file; datasets are in the order of their names, each under one name."""

    has_checksums = False  # of datasets that other processes read
    pickled: Sequence[str] = ()

    def __init__(self, file: RandomAccess, options: Options) -> None:
        self.file, self.walker = file, Walker(file)
        self.tensors, self.notes = list[TensorSpec](), list[Note]()
        self.unmeasured: list[str] = []
        self.datasets: dict[str, Dataset] = {}  # those of numbers
        self.layouts = ChunkLayouts(self.walker, self.datasets)
        self.will_read = self.layouts.will_read
        self._chunks: dict[str, Extents] = {}
        self._bands: dict[str, BandReader] = {}
        self._whole: set[str] = set()  # datasets that were read to their end
        with ExitStack() as unless_sound:
            unless_sound.callback(self.close)
            self._look(options)
            unless_sound.pop_all()

    def read(self, spec: TensorSpec, start: int, out: Raw) -> None:
        """Fill `out` with stored elements from `start` on."""
        if spec.offset is not None:
            self.file.read_into(spec.position(start), out)
        elif spec.slot is not None and out.size > spec.nbytes:
            self._read_neighbours(spec.slot, out)
        else:
            self._read_bands(spec, start, out)

    def _read_bands(self, spec: TensorSpec, start: int, out: Raw, layout: ChunkLayout | None = None) -> None:
        """Fill `out` with elements of a dataset that is not contiguous; its layout is asked for unless it is given."""
        with self._refusing_damage(spec.name):
            if start == 0:
                self._begin(spec.name, layout)
            self._bands[spec.name].read_into(out)
        if start + out.size // spec.dtype.itemsize == spec.size:
            self._bands.pop(spec.name).close()
            self._whole.add(spec.name)

    def _read_neighbours(self, slot: int, out: Raw) -> None:
        """Fill `out` with the elements of the small datasets from slot `slot` on."""
        done = 0
        while done < out.size:
            specs, end = list[TensorSpec](), done
            while end < out.size and len(specs) < MOST_DATASETS:
                specs.append(self.tensors[slot + len(specs)])
                end += specs[-1].nbytes
            self._read_small(specs, out[done:end])
            slot, done = slot + len(specs), end

    def _read_small(self, specs: Sequence[TensorSpec], out: Raw) -> None:
        datasets = [self.datasets[spec.name] for spec in specs]
        chunked = [dataset.name for dataset in datasets if dataset.chunk is not None]
        layouts, at = self.layouts.several(chunked), 0
        small = SmallDatasets(datasets, layouts, self.walker)
        for spec, dataset in zip(specs, datasets, strict=True):
            part = out[at : at + spec.nbytes]
            at += spec.nbytes
            with self._refusing_damage(spec.name):
                extents = small.read_into(dataset, part)
            if extents is None:
                self._read_bands(spec, 0, part, layouts.get(spec.name))
                continue
            self._whole.add(spec.name)
            if dataset.chunk is not None:
                self._chunks[spec.name] = extents

    def _begin(self, name: str, layout: ChunkLayout | None) -> None:
        """Start to read a dataset; raise InputError if a filter that is not included has packed a chunk of it."""
        dataset = self.datasets[name]
        if layout is None and dataset.chunk is not None:
            layout = self.layouts.of(name)
        band = self._bands[name] = BandReader(dataset, self.walker, layout)
        if band.table is not None:
            for place, number in enumerate(dataset.filters):
                if not filters.is_own(number) and band.table.is_packed_by(place):
                    self._refuse(filters.not_unpacked(number), name)
            self._chunks[name] = band.table.extents

    def receipts(self) -> None:
        """Return None: what is checked of a dataset is checked where it is read."""

    def take(self, receipts: Any) -> None:
        """Do nothing."""

    def verify(self, rest: Sequence[int] | None = None) -> None:
        """Raise InputError if the file has changed; with `rest`, also if one of these tensors, not read yet, cannot be read.

        Others are not unpacked, nor is what only a filter that is not included could unpack: a copy takes it as it lies. But
        no dataset may share bytes with another.
        """
        if rest is not None:
            self._read_rest(rest)
            self._list_rest()
            if self._chunks:
                self._check_chunks()
        self.file.check_unchanged()

    def _read_rest(self, rest: Sequence[int]) -> None:
        for index in rest:
            spec = self.tensors[index]
            if spec.offset is not None or not spec.size or spec.name in self._whole:
                continue
            if all(map(filters.is_own, self.datasets[spec.name].filters)):
                read_through(self, spec)

    def _list_rest(self) -> None:
        """List the chunks of the datasets that were not read; raise InputError if they cannot be right."""
        for name, dataset in self.datasets.items():
            if dataset.chunk is not None and name not in self._chunks:
                with self._refusing_damage(name):
                    self._chunks[name] = table_of(dataset, self.layouts.of(name), self.file.size).extents

    @contextmanager
    def _refusing_damage(self, tensor: str) -> Iterator[None]:
        try:
            yield
        except DamagedError as error:
            raise InputError(f"HDF5 cannot read it: {error}", path=self.file.path, tensor=tensor) from error

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
        self._found = found = self._contents(options)
        self.non_numeric, self.metadata = list(found.non_numeric), found.metadata
        labels = _labels({dataset.name.rpartition("/")[0] for dataset in found.datasets}, found.labels)
        for dataset in found.datasets:
            self._add(dataset, labels.get(dataset.name.rpartition("/")[0]), options)
        if self.non_numeric and not self.tensors:
            raise InputError("holds no dataset of numbers", path=file.path)
        check_declared(file, sum(spec.nbytes for spec in self.tensors), options)
        self.notes += _alias_notes(file.path, found.aliases, self.datasets)
        self._check_overlap()

    def _contents(self, options: Options) -> Contents:
        """Walk the file unless it was the last to be walked; say so if it cannot be opened because a writer has not closed it."""
        headers, key = options.headers or Headers(), (self.file.fingerprint, options.void_dtype)
        known: Contents | None = headers.of_bytes(key)
        if known is not None:
            return known
        try:
            found = self.walker.contents(options.void_dtype)
        except InputError as error:
            if unfinished_because := unfinished.reason(self.file):
                raise InputError(unfinished_because, path=self.file.path) from error
            raise
        headers.add_last(key, found)
        return found

    def _add(self, dataset: Dataset, label: str | None, options: Options) -> None:
        """Add the tensor of a dataset; raise InputError if the dataset must be refused."""
        name, dtype, shape, offset = dataset[:4]
        if dataset.problem is not None:
            self._refuse(dataset.problem, name)
        if dtype is None:
            self.non_numeric.append(name)
            self.unmeasured += [name] if dataset.floats else []
            return
        spec = TensorSpec(name, dtype, shape, offset, label=label, role=dataset.role, grows=dataset.grows)
        if offset is not None and (offset + spec.nbytes > self.file.size or dataset.storage != spec.nbytes):
            self._refuse("has elements past the end of the file", name)
        if offset is None and 0 < spec.size <= BLOCK:
            spec.slot = len(self.tensors)
        if dataset.chunk is not None:
            spec.held = self._check_chunk(dataset.chunk, spec, options)
            if len(set(dataset.filters)) < len(dataset.filters):
                self._refuse("is packed twice by the same filter", name)
        self.datasets[name] = dataset
        self.tensors.append(spec)

    def _check_chunk(self, chunk: tuple[int, ...], spec: TensorSpec, options: Options) -> int:
        """Return the size of a chunk in bytes; raise InputError if it is larger than it needs to be."""
        nbytes = spec.dtype.itemsize * prod(chunk)
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
        if (tensor := first_overlapping(places)) is not None:
            self._refuse("shares its bytes with another dataset", tensor)

    def _refuse(self, message: str, tensor: str) -> NoReturn:
        raise InputError(message, path=self.file.path, tensor=tensor)


def _alias_notes(path: str, aliases: Sequence[tuple[str, str]], datasets: Mapping[str, Dataset]) -> list[Note]:
    """Note datasets that have a second name: they count once, and under the other one."""
    found = [f"{name} is {target}" for name, target in aliases if target.lstrip("/") in datasets]
    what = f"second names of datasets, which count once: {shortlist(found, 4)}"
    return [Note("aliases", f"{path}: {what}", len(found))] if found else []


def _labels(groups: Iterable[str], labels: Mapping[str, str]) -> dict[str, str | None]:
    """Return the label of each group: the `name` attribute of itself or the nearest around it, where Keras 3 writes a layer's."""
    found: dict[str, str | None] = {}
    for group in groups if labels else ():
        name = group
        while name and name not in labels:
            name = name.rpartition("/")[0]
        found[group] = labels.get(name)
    return found
