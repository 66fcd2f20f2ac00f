"""Read dumps in shards with a safetensors index, as Hugging Face writes them."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from gradclip_cli.errors import InputError
from gradclip_cli.inputs.layouts import numbered
from gradclip_cli.inputs.layouts.numbered import Numbered, holders
from gradclip_cli.inputs.layouts.single import Single
from gradclip_cli.inputs.naming import natural
from gradclip_cli.inputs.source import DumpOutput, DumpSource, FoundDump
from gradclip_cli.inputs.steps import step_of
from gradclip_cli.notes import Note
from gradclip_cli.storage import locations
from gradclip_cli.storage.fingerprint import Fingerprint
from gradclip_cli.storage.locations import check_same
from gradclip_cli.text import printable, shortlist

ENDING = ".safetensors.index.json"
_VARIANTS = ("fp16", "bf16", "fp32", "ema", "non_ema")
"""What stands before the last ending of the index of a variant: its shards have it behind their common name."""
_LONGEST = 100_000_000
"""The size limit of an index in bytes."""


_TOTAL = re.compile(rb'("total_size"\s*:\s*)\d+')
"""The size of all tensors in bytes, as an index has it among its metadata; nothing else in it is a number."""


def with_total(index: bytes, nbytes: int) -> bytes:
    """Return the text of an index for tensors of another size; everything else stays as it was.

    >>> with_total(b'{"metadata": {"total_size": 8}, "weight_map": {}}', 4)
    b'{"metadata": {"total_size": 4}, "weight_map": {}}'
    """
    return _TOTAL.sub(rb"\g<1>%d" % nbytes, index)


class Index(Numbered):
    """An index as it was read: the name of each tensor's file, which is in the same folder."""

    def __init__(self, weight_map: Mapping[str, str], fingerprint: "Fingerprint") -> None:
        self.weight_map, self.fingerprint = weight_map, fingerprint

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Index) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def label(self, location: str, files: Sequence[str]) -> str | list[str]:
        """Return the path of the index."""
        return Single.label(self, location, files)

    def companions(self, source: DumpSource) -> tuple[str, ...]:
        """Return the index: it stays valid as a copy, since the names of the shards do not change; see `with_total`."""
        return (source.location,)

    def output_files(self, source: DumpSource, location: str) -> DumpOutput:
        """Return targets beside the new index; the shards keep their names."""
        return DumpOutput(location, super().output_files(source, location).files, (location,))

    def output_names(self, source: DumpSource) -> tuple[str, ...]:
        """Return the paths of the shards and the index, which keep their names."""
        return (*source.files, source.location)

    def check(self, source: DumpSource, names: Sequence[Sequence[str]]) -> None:
        """Raise InputError if a tensor is in two files, or not in the one that the index names."""
        self.check_unchanged(source)
        found = holders(source, names)
        for tensor, name in self.weight_map.items():
            if os.path.basename(found.get(tensor, "")) != name:
                raise InputError(f"is not in {name}, as the index says", path=source.location, tensor=tensor)
        for tensor, file in found.items():
            if tensor not in self.weight_map:
                raise InputError("is not named by the index of the shards", path=file, tensor=tensor)

    def check_unchanged(self, source: DumpSource) -> None:
        """Raise InputError if the index has changed since it was read."""
        check_same(source.location, self.fingerprint)


class IndexFinder:
    """Recognises an index by its name; the shards that it lists belong to it, and it decides about other shards beside it."""

    endings: tuple[str, ...] = (ENDING, *(f".safetensors.index.{variant}.json" for variant in _VARIANTS))

    def find(self, paths: Sequence[str]) -> Iterator[FoundDump]:
        """Yield each index once; of those in one folder that name the same tensors in complete files, yield only the first."""
        positions: dict[str, list[int]] = {}
        for position, path in enumerate(paths):
            positions.setdefault(path, []).append(position)
        given = [path for path in positions if path.endswith(self.endings)]
        folders: dict[str, list[FoundDump]] = {}
        for path in [*given, *sorted(self.implied(list(positions)).difference(given))]:
            source = self.read(path)
            if path in positions or not positions.keys().isdisjoint(source.files):  # else only stale shards were given
                folders.setdefault(os.path.dirname(path), []).append(self._found(source, positions))
        for found in folders.values():
            yield from found if len(found) == 1 else _once_each(sorted(found, key=_variants_last))

    def read(self, path: str) -> DumpSource:
        """Read an index; raise InputError if it is not one, or names a shard that is not a plain file name."""
        weight_map, fingerprint = read_weight_map(path)
        if not all(isinstance(name, str) for name in weight_map.values()):
            raise InputError("is not an index of safetensors shards: its weight_map names no files", path=path)
        return indexed(path, set(weight_map.values()), Index(weight_map, fingerprint))

    def implied(self, paths: Sequence[str]) -> set[str]:
        """Return the indices beside files of which the paths name several splits: only an index knows which is right."""
        heads: dict[str, set[tuple[str, ...]]] = {}
        for path in paths:
            if files := numbered.files_of_set(path):
                heads.setdefault(self.base_of(path), set()).add(files)
        return {head + ENDING for head, sets in heads.items() if len(sets) > 1 and locations.is_file(head + ENDING)}

    def base_of(self, path: str) -> str:
        """Return the path of a shard, of an index or of a whole dump without its number and endings."""
        if files := numbered.files_of_set(path):
            return numbered.head_of(files[0])
        ending = next((ending for ending in self.endings if path.endswith(ending)), "")
        variant = ending.removeprefix(".safetensors.index").removesuffix(".json")
        return path.removesuffix(ending).removesuffix(".safetensors") + variant

    def _found(self, source: DumpSource, positions: Mapping[str, Sequence[int]]) -> FoundDump:
        """Return the dump of an index with the positions of its files; other shards beside it are left out, with a note."""
        bases = {self.base_of(path) for path in (source.location, *source.files)}
        left = [
            path
            for path in positions
            if path not in source.files and not path.endswith(self.endings) and self.base_of(path) in bases
        ]
        notes = []
        if left:
            names = shortlist([os.path.basename(path) for path in left], 4)
            what = f"decides which files are the dump; it does not name {names}, which are left out"
            text = f"{source.location}: {what}; give those alone to take them"
            notes = [Note("not-in-index", text, len(left), changes_figures=True)]
        taken = [source.location, *source.files, *left]
        return FoundDump(source, [k for path in taken for k in positions.get(path, ())], notes)


def _variants_last(found: FoundDump) -> tuple[bool, str]:
    path = found.source.location
    return not path.endswith(ENDING), natural(path)


FINDER = IndexFinder()


def read_weight_map(path: str) -> tuple[dict[str, Any], Fingerprint]:
    """Read the weight_map of an index, which is not empty; raise InputError if there is none."""
    from gradclip_cli.storage.random_access import open_input

    with open_input(path) as file:
        if file.size > _LONGEST:
            raise InputError("is too long for an index", path=path)
        data, fingerprint = file.read(0, file.size), file.fingerprint
    try:
        found = json.loads(data.decode())["weight_map"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError("is not an index of shards: it has no weight_map", path=path) from error
    if not isinstance(found, dict) or not found:
        raise InputError("is not an index of shards: its weight_map names no files", path=path)
    return found, fingerprint


def indexed(path: str, names: Iterable[str], layout: Index) -> DumpSource:
    """Return the dump of an index of files with these names; raise InputError for what is not a plain file name."""
    ordered = sorted(names, key=natural)
    for name in ordered:
        if not _is_plain(name):
            raise InputError(f"names the shard {name!r}, which is not a plain name beside it", path=path)
    files = tuple(os.path.join(os.path.dirname(path), name) for name in ordered)
    step = step_of(path)
    return DumpSource(path, files, layout, step if step is not None else step_of(files[0]))


def _once_each(found: Iterable[FoundDump]) -> Iterator[FoundDump]:
    """Put together the indices that name the same tensors in complete files: the first of them is taken."""
    alike: dict[object, list[FoundDump]] = {}
    for k, one in enumerate(found):
        layout = one.source.layout
        complete = isinstance(layout, Index) and all(map(locations.is_file, one.source.files))
        alike.setdefault(frozenset(layout.weight_map) if isinstance(layout, Index) and complete else k, []).append(one)
    for first, *others in alike.values():
        notes = [_two_splits(first.source.location, other.source.location) for other in others]
        group = (first, *others)
        positions = [position for one in group for position in one.positions]
        yield FoundDump(first.source, positions, [*(note for one in group for note in one.notes), *notes])


def _two_splits(taken: str, left: str) -> Note:
    """Note that two indices are of one dump."""
    what = f"is taken; tensors of the same names in {printable(os.path.basename(left))} are left out"
    return Note("two-splits", f"{taken}: {what}; give those alone to take them", changes_figures=True)


def _is_plain(name: str) -> bool:
    """Whether a name in an index can be a shard in the same folder: a file name, but not that of another index."""
    try:
        raw = os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return (
        name == os.path.basename(name)
        and raw not in (b"", b".", b"..")
        and b"\0" not in raw
        and not name.endswith(".json")
    )
