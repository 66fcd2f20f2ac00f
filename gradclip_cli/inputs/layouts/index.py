"""Read dumps in shards with a safetensors index, as Hugging Face writes them."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence

from gradclip_cli.errors import InputError
from gradclip_cli.inputs.layouts.numbered import Numbered, holders
from gradclip_cli.inputs.layouts.single import Single
from gradclip_cli.inputs.source import DumpOutput, DumpSource, FoundDump
from gradclip_cli.inputs.steps import step_of
from gradclip_cli.storage.fingerprint import Fingerprint, check_same

ENDING = ".safetensors.index.json"
_LONGEST = 100_000_000
"""The size limit of an index in bytes."""


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
        """Return the index: it stays valid as a copy, since neither the names nor the sizes of the shards change."""
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
    """Recognises an index by its name; the shards that it lists belong to it."""

    endings: tuple[str, ...] = (ENDING,)

    def find(self, paths: Sequence[str]) -> Iterator[FoundDump]:
        """Yield each index once."""
        positions: dict[str, list[int]] = {}
        for position, path in enumerate(paths):
            positions.setdefault(path, []).append(position)
        for path in [path for path in positions if path.endswith(ENDING)]:
            source = read(path)
            shards = [position for file in source.files for position in positions.get(file, ())]
            yield FoundDump(source, [*positions[path], *shards])


FINDER = IndexFinder()


def read(path: str) -> DumpSource:
    """Read an index; raise InputError if it is not one, or names a shard that is not a plain file name."""
    from gradclip_cli.storage.random_access import InputFile

    with InputFile(path) as file:
        if file.size > _LONGEST:
            raise InputError("is too long for an index", path=path)
        data, fingerprint = file.read(0, file.size), file.fingerprint
    weight_map = _weight_map(data, path)
    folder = os.path.dirname(path)
    files = tuple(os.path.join(folder, name) for name in sorted(set(weight_map.values())))
    step = step_of(path)
    return DumpSource(path, files, Index(weight_map, fingerprint), step if step is not None else step_of(files[0]))


def _weight_map(data: bytes, path: str) -> dict[str, str]:
    try:
        found = json.loads(data.decode())["weight_map"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError("is not an index of safetensors shards: it has no weight_map", path=path) from error
    if not isinstance(found, dict) or not found or not all(isinstance(name, str) for name in found.values()):
        raise InputError("is not an index of safetensors shards: its weight_map names no files", path=path)
    for name in found.values():
        if not _is_plain(name):
            raise InputError(f"names the shard {name!r}, which is not a plain name beside it", path=path)
    return found


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
        and not name.endswith(ENDING)
    )
