"""Read dumps in files numbered like `-00001-of-00003`, each with different tensors."""

import os
import re
from collections.abc import Iterator, Sequence

from gradclip_cli.errors import InputError
from gradclip_cli.inputs.headers import same_names
from gradclip_cli.inputs.layouts.single import Single
from gradclip_cli.inputs.source import DumpOutput, DumpSource, FoundDump
from gradclip_cli.inputs.steps import step_of
from gradclip_cli.notes import Note
from gradclip_cli.storage import locations
from gradclip_cli.storage.location_names import absolute, below, common_folder

_NUMBERED = r"(?P<head>.*-)(?P<number>\d{1,9})-of-(?P<of>\d{1,9})(?P<tail>\.safetensors)"
_MOST_FILES = 100_000


class Numbered(Single):
    """Several files, in one folder or in a folder for each rank; no tensor is in two of them."""

    single = False

    def label(self, location: str, files: Sequence[str]) -> str | list[str]:
        """Return the list of the files."""
        return list(files)

    def output_files(self, source: DumpSource, location: str) -> DumpOutput:
        """Return targets in the folder of the location; the files keep their names, and folders of ranks if it has one."""
        paths = [absolute(file) for file in source.files]
        inside = common_folder([os.path.dirname(path) for path in paths])
        names = [below(path, inside) for path in paths]
        folder = location.removesuffix(os.sep + names[-1])
        if folder == location:
            folder, names = os.path.dirname(location), [os.path.basename(path) for path in paths]
        files = tuple(os.path.join(folder, name) for name in names)
        return DumpOutput(files[0], files)

    def check(self, source: DumpSource, names: Sequence[Sequence[str]]) -> None:
        """Raise InputError if a tensor is in two files."""
        holders(source, names)


class NumberedFinder:
    """Recognises a numbered set by any of its files."""

    endings: tuple[str, ...] = ()

    def find(self, paths: Sequence[str]) -> Iterator[FoundDump]:
        """Yield each set once, even if several of its files are given; of several splits of one dump, yield one."""
        heads: dict[str, dict[tuple[str, ...], list[int]]] = {}
        for position, path in enumerate(paths):
            if files := files_of_set(path):
                heads.setdefault(head_of(path), {}).setdefault(files, []).append(position)
        for sets in heads.values():
            left = _left_out(list(sets)) if len(sets) > 1 else {}
            for files, positions in sets.items():
                if files not in left:
                    others = [other for other, taken in left.items() if taken == files]
                    found = [position for other in others for position in sets[other]]
                    source = DumpSource(files[0], files, NUMBERED, step_of(files[0]))
                    yield FoundDump(source, [*positions, *found], [_note(files, other) for other in others])


NUMBERED = Numbered()
FINDER = NumberedFinder()


def files_of_set(path: str) -> tuple[str, ...]:
    """Return all files of the numbered set that a path belongs to; none if it belongs to no set.

    Numbers begin at 0 if there is a file of that number, else at 1.

    >>> files_of_set("run/m-2-of-3.safetensors")
    ('run/m-1-of-3.safetensors', 'run/m-2-of-3.safetensors', 'run/m-3-of-3.safetensors')
    """
    if "-of-" not in path:  # most names are clearly not numbered; compile the pattern only for the others
        return ()
    folder, name = os.path.split(path)
    found = re.fullmatch(_NUMBERED, name, re.DOTALL)
    if found is None or not 1 < int(found["of"]) <= _MOST_FILES:
        return ()
    width, count = len(found["number"]), int(found["of"])
    names = [
        os.path.join(folder, f"{found['head']}{k:0{width}d}-of-{found['of']}{found['tail']}") for k in range(count + 1)
    ]
    from_0 = int(found["number"]) < count and locations.exists(names[0])
    return tuple(names[:-1] if from_0 else names[1:])


def head_of(path: str) -> str:
    """Return the path of a numbered file without its numbers.

    >>> head_of("run/m-2-of-3.safetensors")
    'run/m'
    """
    return path[: path.rindex("-", 0, path.rindex("-of-"))]


def _left_out(sets: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Return the splits to leave out, each with the one that is taken instead.

    Only a complete one is taken: instead of what is left of others, and of a complete one with the same tensor names.
    """
    complete = [files for files in sets if all(map(locations.is_file, files))]
    if not complete or (len(complete) > 1 and not same_names(complete)):
        return {}
    return {files: complete[0] for files in sets if files != complete[0]}


def _note(taken: Sequence[str], left: Sequence[str]) -> Note:
    what = f"is taken with the other files of its set; {os.path.basename(left[0])} and those of its set are left out"
    text = f"{taken[0]}: {what}, since they are another split of one dump; give those alone to take them"
    return Note("two-splits", text, changes_figures=True)


def holders(source: DumpSource, names: Sequence[Sequence[str]]) -> dict[str, str]:
    """Return the file of each tensor by name; raise InputError if a tensor is in two files."""
    found: dict[str, str] = {}
    for file, tensors in zip(source.files, names, strict=True):
        for tensor in tensors:
            if tensor in found:
                raise InputError(f"stands in {os.path.basename(found[tensor])} too", path=file, tensor=tensor)
            found[tensor] = file
    return found
