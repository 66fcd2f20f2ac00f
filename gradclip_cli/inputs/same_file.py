"""Count each file once: leave out links to other files, and copies of them."""

import filecmp
import os
from collections.abc import Hashable, Sequence
from contextlib import suppress
from itertools import zip_longest

from gradclip_cli.inputs.kinds import copies_in
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.notes import Note
from gradclip_cli.storage import locations
from gradclip_cli.storage.streams import STANDARD
from gradclip_cli.text import printable

Sources = list[DumpSource]

_BLOCK = 8 << 20


def once_each(sources: Sequence[DumpSource], *, copies: bool = False) -> tuple[Sources, list[Note]]:
    """Leave out dumps that are the same file as another, by a link, and dumps whose names say so, unless `copies` are wanted."""
    if len(sources) < 2:
        return list(sources), []
    identities = [_identity(source) for source in sources]
    firsts: dict[Hashable, int] = {}
    # A name that says the step goes before one that does not, such as `latest`.
    for named in (True, False):
        for k, source in enumerate(sources):
            if (source.step is not None) is named:
                firsts.setdefault(identities[k], k)
    originals = {} if copies else copies_in([source.location for source in sources])
    kept, notes = [], []
    for k, source in enumerate(sources):
        first = firsts[identities[k]]
        if first != k:
            what = f"is the same file as {printable(sources[first].location)}, and counts once"
            notes.append(Note("same-file", f"{source.location}: {what}"))
        elif original := originals.get(source.location):
            what = f"is taken for a copy of {printable(os.path.basename(original))}, and left out"
            notes.append(Note("copy", f"{source.location}: {what}; give it by itself to take it"))
        else:
            kept.append(source)
    return kept, notes


def without_copies(sources: Sequence[DumpSource]) -> tuple[Sources, list[Note]]:
    """Leave out dumps without a step that hold the same bytes as one with a step: trainers copy the last or the best one."""
    lone = [
        source for source in sources if source.step is None and source.layout.single and source.location != STANDARD
    ]
    if not lone or len(lone) == len(sources):
        return list(sources), []
    sizes: dict[int, Sources] = {}
    for source in sources:
        if source.step is not None and source.layout.single and (size := _size(source)):
            sizes.setdefault(size, []).append(source)
    left, notes = set[int](), []
    for source in lone:
        original = next((one for one in sizes.get(_size(source), ()) if _same_bytes(one, source)), None)
        if original is not None:
            left.add(id(source))
            what = f"holds the same bytes as {printable(original.location)}, and counts once"
            notes.append(Note("copy", f"{source.location}: {what}"))
    return [source for source in sources if id(source) not in left], notes


def _size(source: DumpSource) -> int:
    """Return the size of a file in bytes; 0 if it cannot be told."""
    with suppress(OSError, ValueError):
        return locations.size(source.location)
    return 0


def _same_bytes(one: DumpSource, other: DumpSource) -> bool:
    pair = one.location, other.location
    with suppress(OSError):
        if not any(map(locations.is_remote, pair)):
            return filecmp.cmp(*pair, shallow=False)
        return all(a == b for a, b in zip_longest(*(locations.blocks(place, _BLOCK) for place in pair)))
    return False


def _identity(source: DumpSource) -> Hashable:
    """Return what is the same for two dumps of the same files: their devices and inode numbers."""
    if source.location == STANDARD:
        return STANDARD
    try:
        return tuple(map(locations.identity, source.files))
    except (OSError, ValueError):
        return source.location
