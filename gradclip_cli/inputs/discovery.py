"""From the paths that a user typed to dumps, and the order in which those are read."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.formats import suffixes
from gradclip_cli.inputs.layouts import FINDERS, params, ranks
from gradclip_cli.inputs.listing import dump_files, folders_with_dumps, is_folder, step_folders
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.storage.streams import STANDARD, check_input, stream_name
from gradclip_cli.text import did_you_mean, listed, printable

Item = TypeVar("Item")

_ENDINGS = tuple(ending for finder in FINDERS for ending in finder.endings)


def find_dumps(paths: Sequence[str], by_rank: bool = False) -> tuple[DumpSource, ...]:
    """Return the dumps that paths stand for, directories for those in them; raise where there is none, or a path that is not there.

    `-` is standard input. With `by_rank` all files of a step together are one dump, of which each holds pieces.
    """
    if not paths:
        raise UsageError("give at least one dump, or a directory of dumps")
    given = [stream_name(path, 0) for path in paths]
    if STANDARD in given:
        _check_standard_input(given)
    for path in given:
        if path != STANDARD and not os.path.lexists(path):
            raise InputError(f"does not exist; {_near(path)}", path=path)
    found = combined([file for path in given for file in (_inside(path) if is_folder(path) else [path])])
    return ranks.by_rank(found) if by_rank else found


def find_one(path: str) -> DumpSource:
    """Return the one dump that a path stands for: itself, or the only one of a directory."""
    found = find_dumps([path])
    if len(found) > 1:
        example = printable(found[0].location)
        raise UsageError(f"{printable(path)} holds {len(found):,} dumps; give one dump, such as {example}")
    return found[0]


def combined(paths: Sequence[str]) -> tuple[DumpSource, ...]:
    """Put files and folders together to dumps: each layout takes what it recognises of what those before it left."""
    left, found = list(range(len(paths))), dict[int, DumpSource]()
    for finder in FINDERS:
        taken: set[int] = set()
        for source, positions in finder.find([paths[k] for k in left]):
            found.setdefault(left[positions[0]], source)
            taken.update(left[k] for k in positions)
        left = [k for k in left if k not in taken] if taken else left
    return tuple(found[k] for k in sorted(found))


def in_step_order(sources: Sequence[DumpSource]) -> list[tuple[DumpSource, int | None]]:
    """Put dumps in the order of their steps, before any is read; where any has none, no step is named."""
    found, counts = by_step(sources, lambda source: source.step)
    return [(source, source.step if counts else None) for source in found]


def by_step(items: Sequence[Item], step: Callable[[Item], int | None]) -> tuple[list[Item], bool]:
    """Put items in the order of their training steps; where any has none, the order stays.

    Return also whether the steps count, that is, whether all have one.

    >>> by_step(["b3", "a1"], lambda name: int(name[1])), by_step(["b3", "a"], lambda name: None)
    ((['a1', 'b3'], True), (['b3', 'a'], False))
    """
    if any(step(item) is None for item in items):
        return list(items), False
    return sorted(items, key=lambda item: step(item) or 0), True


def _inside(folder: str) -> list[str]:
    """Return the dumps in a folder: its files, itself where each is of one parameter, or those in the folders of its steps."""
    if found := dump_files(folder, _ENDINGS):
        # What stands for a dump by its ending decides, and nothing has to be opened.
        named = any(path.endswith(_ENDINGS) for path in found)
        return [folder] if not named and params.is_by_param(found) else found
    if found := [path for step in step_folders(folder) for path in _inside(step)]:
        return found
    if others := folders_with_dumps(folder):
        raise InputError(f"no dump in this directory itself; give one of those in it: {listed(others)}", path=folder)
    raise InputError(f"no dump in this directory; dumps end in {', '.join(suffixes())}", path=folder)


def _near(path: str) -> str:
    """Name the file that is perhaps meant."""
    folder, name = os.path.split(path)
    with suppress(OSError):
        return did_you_mean(name, os.listdir(folder or "."), "check the path")
    return f"there is no directory {printable(folder)}"


def _check_standard_input(paths: Sequence[str]) -> None:
    if paths.count(STANDARD) > 1:
        raise UsageError("standard input can be read only once; give - once")
    check_input()
