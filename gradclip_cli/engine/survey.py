"""A dump as it is known after its first reading: names, layers and statistics, and no elements."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from gradclip_cli.engine.executors import Executor
from gradclip_cli.engine.measure import Seen, fetch, measure
from gradclip_cli.errors import InputError
from gradclip_cli.formats import opened
from gradclip_cli.formats.base import Format, Options, Reader
from gradclip_cli.inputs import folders, shards
from gradclip_cli.inputs.naming import Place, natural, step_of
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.numerics.norms import SumKinds
from gradclip_cli.numerics.statistics_table import StatsTable, concatenate
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.storage.random_access import Fingerprint
from gradclip_cli.tensors import Slab, TensorSpec, in_order
from gradclip_cli.text import listed

Progress = Callable[[int, str], None]
"""What is told of bytes that are done, and of the file that they are of."""
Follow = Callable[[Format, Reader], Seen | None]
"""What is asked, of each file that is measured, whether somebody wants to see what is read."""


class Part(NamedTuple):
    """One file of a dump; its tensors are those of the dump from `start` on."""

    path: str
    fingerprint: Fingerprint
    start: int


@dataclass(frozen=True)
class Dump:
    """One input, of one file or of several: its tensors, their places, and the statistics of those that count, by index."""

    path: str
    step: int | None
    parts: list[Part]
    tensors: list[TensorSpec]
    places: list[Place]
    stats: StatsTable
    others: list[str] = field(default_factory=list)
    replicas: list[str] = field(default_factory=list)
    prefix: str = ""  # what stands before the names of its tensors in the file, where that holds a series
    members: Sequence[int] | None = None  # the tensors that are its own, where others are a part of the series
    beside: Sequence[str] = ()  # what keeps a file with groups that are named after steps from being a series

    @property
    def left_out(self) -> list[int]:
        """Its tensors that do not count."""
        every = range(len(self.tensors)) if self.members is None else self.members
        return [index for index in every if index not in self.stats]

    def own_name(self, index: int) -> str:
        """The name of a tensor in its file."""
        return self.prefix + self.tensors[index].name

    @cached_property
    def named(self) -> dict[str, list[int]]:
        """The tensors that count, by name, in the order of their layers: pieces of one tensor have one name."""
        found: dict[str, list[int]] = {}
        tensors = self.tensors
        for indices in self.layers.values():
            if len(indices) == 1:  # the list itself, since all pieces of a tensor are of one layer
                found[tensors[indices[0]].name] = indices
                continue
            for index in indices:
                found.setdefault(tensors[index].name, []).append(index)
        return found

    def shape(self, indices: Sequence[int]) -> tuple[int, ...] | None:
        """The shape of a tensor; None where its pieces differ."""
        if len(indices) == 1:
            return self.tensors[indices[0]].shape
        shapes = {self.tensors[index].shape for index in indices}
        return shapes.pop() if len(shapes) == 1 else None

    @property
    def labels(self) -> dict[str, str]:
        """What frameworks call layers beside their names in the file."""
        pairs = zip(self.tensors, self.places, strict=True)
        return {place.layer: spec.label for spec, place in pairs if spec.label is not None}

    @property
    def notes(self) -> list[str]:
        """What a person should know of the file."""
        path = shards.parts(self.path)[0]
        notes = [f"{path}: not numbers, left as they are: {listed(self.others)}"] if self.others else []
        if self.beside:
            what = f"it holds more than groups that are named after steps: {listed(list(self.beside), 4)}"
            notes.append(f"{path}: taken for one dump, not for a series, since {what}")
        if self.replicas:
            notes.append(f"{path}: the same in all ranks, so perhaps copies and not pieces: {listed(self.replicas)}")
        return notes

    @cached_property
    def layers(self) -> dict[str, list[int]]:
        """The tensors that count, by layer, in natural order."""
        found: dict[str, list[int]] = {}
        places = self.places
        for index in self.stats:
            layer = places[index].layer
            if layer in found:
                found[layer].append(index)
            else:
                found[layer] = [index]
        return {layer: found[layer] for layer in sorted(found, key=natural)}


@contextmanager
def open_dump(path: str, selection: Selection) -> Iterator[tuple[Format, Reader]]:
    """Open one input as the selection says."""
    options = Options(selection.void_dtype, selection.allow_huge)
    with opened(path, options, selection.input_format) as (format, reader):
        yield format, reader


def survey(
    path: str,
    selection: Selection,
    types: SumKinds,
    workers: Executor,
    progress: Progress,
    follow: Follow | None = None,
) -> Dump:
    """Read a dump once: measure every tensor that counts, in all of its files."""
    tensors: list[TensorSpec] = []
    found: list[tuple[int, StatsTable]] = []
    parts: list[Part] = []
    others: list[str] = []
    names: list[list[str]] = []
    for part in shards.parts(path):
        with open_dump(part, selection) as (format, reader):
            seen = follow(format, reader) if follow is not None else None
            wanted = counted_tensors(shards.named(path, part, reader.tensors), selection, part)
            found.append((len(tensors), _measured(reader, wanted, types, workers, progress, seen)))
            parts.append(Part(part, reader.file.fingerprint, len(tensors)))
            names.append([spec.name for spec in reader.tensors])
            tensors += shards.named(path, part, reader.tensors)
            others += reader.others
    shards.check(path, [part.path for part in parts], names)
    places = selection.naming.places([spec.name for spec in tensors])
    dump = Dump(
        path,
        step_of(path if folders.is_folder(path) else parts[0].path),
        parts,
        tensors,
        places,
        concatenate(found),
        others,
    )
    return replace(dump, replicas=_replicas(dump, selection, workers.work)) if shards.is_by_rank(path) else dump


def _measured(
    reader: Reader, wanted: list[int], types: SumKinds, workers: Executor, progress: Progress, seen: Seen | None
) -> StatsTable:
    def read(spec: TensorSpec, start: int, out: Raw) -> None:
        reader.read(spec, start, out)
        progress(out.size, reader.file.path)

    found = measure(reader.tensors, wanted, read, types, workers, seen)
    reader.verify(rest=True)
    return found


def _replicas(dump: Dump, selection: Selection, work: Workspace) -> list[str]:
    """Name the tensors whose pieces are identical byte for byte: norms would count copies more than once."""
    alike = [
        (name, indices)
        for name, indices in dump.named.items()
        if len(indices) > 1 and dump.shape(indices) and len({dump.stats[index] for index in indices}) == 1
    ]
    return [name for name, indices in alike if len({_digest(dump, index, selection, work) for index in indices}) == 1]


def _digest(dump: Dump, index: int, selection: Selection, work: Workspace) -> bytes:
    import hashlib

    part = next(part for part in reversed(dump.parts) if part.start <= index)
    spec, digest = dump.tensors[index], hashlib.sha256()
    with open_dump(part.path, selection) as (_, reader):
        for piece in in_order(Slab(0, 1, 0, spec.size), spec):
            digest.update(fetch(reader.read, piece, [spec], work).data)
    return digest.digest()


def counted_tensors(tensors: Sequence[TensorSpec], selection: Selection, path: str) -> list[int]:
    """The indices of the tensors that are gradients and were not left out; complex ones are refused."""
    counted = []
    for index, spec in enumerate(tensors):
        if spec.dtype.kind not in ("float", "complex") or not selection.takes(spec.name):
            continue
        if spec.dtype.kind == "complex":
            message = f"is {spec.dtype.name}, which has no place in a norm; leave it out with --exclude"
            raise InputError(message, path=path, tensor=spec.name)
        counted.append(index)
    return counted
