"""Read dumps in the shards that Keras 3.10 and later write: `model_00000.weights.h5` and so on, with `model.weights.json`."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence

from gradclip_cli.errors import InputError
from gradclip_cli.inputs.headers import disjoint_names
from gradclip_cli.inputs.layouts.index import Index, IndexFinder, indexed, read_weight_map
from gradclip_cli.inputs.layouts.numbered import NUMBERED, holders
from gradclip_cli.inputs.listing import siblings
from gradclip_cli.inputs.source import DumpSource, FoundDump
from gradclip_cli.inputs.steps import step_of
from gradclip_cli.storage import locations
from gradclip_cli.storage.fingerprint import Fingerprint

ENDING = ".weights.json"
_WHOLE = ".weights.h5"
_SHARD = r"(?s)(?P<base>.*)_(?P<number>\d{5})\.weights\.h5"


class KerasIndex(Index):
    """An index of groups of variables: a group, such as `/layers/lstm/cell/vars`, may lie in several files."""

    def __init__(self, groups: Mapping[str, Sequence[str]], fingerprint: Fingerprint) -> None:
        super().__init__({group: names[0] for group, names in groups.items()}, fingerprint)
        self.groups = groups

    def check(self, source: DumpSource, names: Sequence[Sequence[str]]) -> None:
        """Raise InputError if a variable is in two files, or its group in others than the index names."""
        self.check_unchanged(source)
        found: dict[str, set[str]] = {}
        for tensor, file in holders(source, names).items():
            group, name = "/" + os.path.dirname(tensor), os.path.basename(file)
            if name not in self.groups.get(group, ()):
                raise InputError("is not where the index of the shards names it", path=file, tensor=tensor)
            found.setdefault(group, set()).add(name)
        for group, files in self.groups.items():
            for name in files:
                if name not in found.get(group, ()):
                    raise InputError(f"is not in {name}, as the index says", path=source.location, tensor=group)


class KerasIndexFinder(IndexFinder):
    """Recognises an index by its name, or one beside any of its shards."""

    endings: tuple[str, ...] = (ENDING,)

    def read(self, path: str) -> DumpSource:
        """Read an index; raise InputError if it is not one, or names a shard that is not a plain file name."""
        weight_map, fingerprint = read_weight_map(path)
        groups = {group: [names] if isinstance(names, str) else names for group, names in weight_map.items()}
        for names in groups.values():
            if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
                raise InputError("is not an index of Keras shards: its weight_map names no files", path=path)
        return indexed(path, {name for names in groups.values() for name in names}, KerasIndex(groups, fingerprint))

    def implied(self, paths: Sequence[str]) -> set[str]:
        """Return the indices beside shards: without one, the last shard could be missing and nobody would know."""
        bases = {found["base"] for path in paths if (found := _shard(path))}
        return {base + ENDING for base in bases if locations.is_file(base + ENDING)}

    def base_of(self, path: str) -> str:
        """Return the path of a shard, of an index or of a whole dump without its number and endings."""
        found = _shard(path)
        return found["base"] if found else path.removesuffix(ENDING).removesuffix(_WHOLE)


class KerasShardsFinder:
    """Recognises shards without an index by any of them: numbered from 0 on, with different tensors."""

    endings: tuple[str, ...] = ()

    def find(self, paths: Sequence[str]) -> Iterator[FoundDump]:
        """Yield each set of shards once; a shard that its numbers say is missing belongs to it."""
        bases: dict[str, list[int]] = {}
        for position, path in enumerate(paths):
            found = _shard(path)
            if found is not None and not locations.is_file(found["base"] + ENDING):  # else the index has left it
                bases.setdefault(found["base"], []).append(position)
        for base, positions in bases.items():
            files = _shards(base)
            there = [path for path in files if locations.exists(path)]
            if len(there) > 1 and disjoint_names(there):
                yield FoundDump(DumpSource(files[0], files, NUMBERED, step_of(files[0])), positions)


INDEX_FINDER = KerasIndexFinder()
SHARDS_FINDER = KerasShardsFinder()


def _shard(path: str) -> re.Match[str] | None:
    """Match the path of a shard; most paths clearly are of none, and need no pattern."""
    return re.fullmatch(_SHARD, path) if path.endswith(_WHOLE) else None


def _shards(base: str) -> tuple[str, ...]:
    """Return the shards from number 0 to the last that there is."""
    name = os.path.basename(base)
    matches = (_shard(os.path.basename(path)) for path in siblings(base))
    numbers = [int(found["number"]) for found in matches if found and found["base"] == name]
    return tuple(f"{base}_{number:05d}{_WHOLE}" for number in range(max(numbers, default=-1) + 1))
