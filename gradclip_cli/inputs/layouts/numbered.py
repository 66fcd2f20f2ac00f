"""A dump in files numbered `-00001-of-00003`: each holds other tensors."""

import os
import re
from collections.abc import Iterator, Sequence

from gradclip_cli.errors import InputError
from gradclip_cli.inputs.layouts.single import Single
from gradclip_cli.inputs.naming import step_of
from gradclip_cli.inputs.source import DumpOutput, DumpSource, FoundDump

_NUMBERED = r"(?P<head>.*-)(?P<number>\d{1,9})-of-(?P<of>\d{1,9})(?P<tail>\.safetensors)"
_MOST_FILES = 100_000


class Numbered(Single):
    """Several files beside each other; no tensor is in two of them."""

    single = False

    def label(self, location: str, files: Sequence[str]) -> str | list[str]:
        """What a report calls a dump: the list of its files."""
        return list(files)

    def output_files(self, source: DumpSource, location: str) -> DumpOutput:
        """The files keep their names, in the folder of the location."""
        folder = os.path.dirname(location)
        files = tuple(os.path.join(folder, os.path.basename(file)) for file in source.files)
        return DumpOutput(files[0], files)

    def check(self, source: DumpSource, names: Sequence[Sequence[str]]) -> None:
        """Raise where a tensor stands in two files."""
        holders(source, names)


class NumberedFinder:
    """Recognises a set by any of its files."""

    endings: tuple[str, ...] = ()

    def find(self, paths: Sequence[str]) -> Iterator[FoundDump]:
        """Yield each set once, wherever it was named."""
        sets: dict[tuple[str, ...], list[int]] = {}
        for position, path in enumerate(paths):
            if files := files_of_set(path):
                sets.setdefault(files, []).append(position)
        for files, positions in sets.items():
            yield FoundDump(DumpSource(files[0], files, NUMBERED, step_of(files[0])), positions)


NUMBERED = Numbered()
FINDER = NumberedFinder()


def files_of_set(path: str) -> tuple[str, ...]:
    """Return all files of the set that a path is one of; none if it is of no set.

    >>> files_of_set("run/m-2-of-3.safetensors")
    ('run/m-1-of-3.safetensors', 'run/m-2-of-3.safetensors', 'run/m-3-of-3.safetensors')
    """
    folder, name = os.path.split(path)
    # Most names say at once that they are not numbered; only for others is the pattern compiled.
    found = re.fullmatch(_NUMBERED, name, re.DOTALL) if "-of-" in name else None
    if found is None or not 1 < int(found["of"]) <= _MOST_FILES:
        return ()
    width = len(found["number"])
    names = (f"{found['head']}{k:0{width}d}-of-{found['of']}{found['tail']}" for k in range(1, int(found["of"]) + 1))
    return tuple(os.path.join(folder, name) for name in names)


def holders(source: DumpSource, names: Sequence[Sequence[str]]) -> dict[str, str]:
    """Return the file of each tensor; raise InputError where that is not one."""
    found: dict[str, str] = {}
    for file, tensors in zip(source.files, names, strict=True):
        for tensor in tensors:
            if tensor in found:
                raise InputError(f"stands in {os.path.basename(found[tensor])} too", path=file, tensor=tensor)
            found[tensor] = file
    return found
