"""Find the dumps that the paths of a user stand for, and put them in the order of their steps."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple, TypeVar

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.formats import suffixes
from gradclip_cli.inputs.choices import DEFAULT, Choices
from gradclip_cli.inputs.layouts import FINDERS, params, ranks
from gradclip_cli.inputs.listing import dump_files, folders_with_dumps, is_folder, step_folders
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.notes import Note
from gradclip_cli.storage.streams import STANDARD, check_input, stream_name
from gradclip_cli.text import did_you_mean, printable, shortlist

Item = TypeVar("Item")

_ENDINGS = tuple(ending for finder in FINDERS for ending in finder.endings)


class Found(NamedTuple):
    """The dumps that paths stand for, and notes on what was taken for what."""

    sources: tuple[DumpSource, ...]
    notes: tuple[Note, ...] = ()


def find_dumps(paths: Sequence[str], choices: Choices = DEFAULT) -> Found:
    """Return the dumps that paths stand for; a directory stands for the dumps in it, `-` for standard input.

    Raise InputError if a path does not exist or a directory holds no dump, and UsageError if no path is given.
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
    return Found(ranks.by_rank(found)) if choices.shards else Found(found, tuple(ranks.hint(found)))


def find_one(path: str) -> DumpSource:
    """Return the one dump that a path stands for: a file, or the only dump of a directory; raise UsageError for several."""
    found = find_dumps([path]).sources
    if len(found) > 1:
        example = printable(found[0].location)
        raise UsageError(f"{printable(path)} holds {len(found):,} dumps; give one dump, such as {example}")
    return found[0]


def combined(paths: Sequence[str]) -> tuple[DumpSource, ...]:
    """Group files and folders into dumps: each layout takes what it recognises among the paths that earlier ones left."""
    left, found = list(range(len(paths))), dict[int, DumpSource]()
    for finder in FINDERS:
        taken: set[int] = set()
        for source, positions in finder.find([paths[k] for k in left]):
            found.setdefault(left[positions[0]], source)
            taken.update(left[k] for k in positions)
        left = [k for k in left if k not in taken] if taken else left
    return tuple(found[k] for k in sorted(found))


def in_step_order(sources: Sequence[DumpSource]) -> list[DumpSource]:
    """Sort dumps by step, before any is read; what has no step comes last."""
    return by_step(sources, lambda source: source.step)


def by_step(items: Sequence[Item], step: Callable[[Item], int | None]) -> list[Item]:
    """Sort items by training step; what has no step comes last, in the order given.

    >>> by_step(["b3", "z", "a1"], lambda name: int(name[1]) if name[1:] else None)
    ['a1', 'b3', 'z']
    """
    return sorted(items, key=lambda item: (step(item) is None, step(item) or 0))


def _inside(folder: str) -> list[str]:
    """Return the dumps in a folder: its files, the folder itself if each holds one parameter, or those in its step folders."""
    if found := dump_files(folder, _ENDINGS):
        # A file whose ending marks a whole dump decides without opening any file.
        named = any(path.endswith(_ENDINGS) for path in found)
        return [folder] if not named and params.is_by_param(found) else found
    if found := [path for step in step_folders(folder) for path in _inside(step)]:
        return found
    if others := folders_with_dumps(folder):
        raise InputError(f"no dump in this directory itself; give one of those in it: {shortlist(others)}", path=folder)
    raise InputError(f"no dump in this directory; dumps end in {', '.join(suffixes())}", path=folder)


def _near(path: str) -> str:
    """Suggest an existing file with a similar name."""
    folder, name = os.path.split(path)
    with suppress(OSError):
        return did_you_mean(name, os.listdir(folder or "."), "check the path")
    return f"there is no directory {printable(folder)}"


def _check_standard_input(paths: Sequence[str]) -> None:
    if paths.count(STANDARD) > 1:
        raise UsageError("standard input can be read only once; give - once")
    check_input()
