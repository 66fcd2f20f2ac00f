"""Put together what the ranks of one training run have captured: each wrote its own pieces, and says how many ranks there are."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gradclip_cli.errors import InputError
from gradclip_cli.inputs.captured import is_captured
from gradclip_cli.inputs.headers import header_of
from gradclip_cli.inputs.layouts.ranks import Ranks
from gradclip_cli.inputs.listing import siblings
from gradclip_cli.inputs.source import DumpSource, FoundDump
from gradclip_cli.notes import Note
from gradclip_cli.text import plural, shortlist

_NAME = r"step_(?P<step>\d{8,})\.rank_(?P<rank>\d{5,})\.safetensors"
_MOST = 1 << 20


@dataclass(frozen=True)
class Captured(Ranks):
    """The files of `world` ranks, each with its pieces of tensors; what several ranks have, one of them wrote."""

    world: int
    each_once = True

    def notes(self, file: str, metadata: Mapping[str, str]) -> Sequence[Note]:
        """Return no notes; raise InputError if a file says of another number of ranks than the first glance did."""
        world = _world_in(metadata)
        if world != self.world:
            what = (
                f"captured by {plural(world, 'rank')}, but other files by {self.world}"
                if world
                else "says no number of ranks"
            )
            raise InputError(f"{what}; give the files of one run, or --shards", path=file)
        return ()

    def check(self, source: DumpSource, names: Sequence[Sequence[str]]) -> None:
        """Raise InputError if the file of a rank is missing: the norm would be that of the others."""
        there = {rank for path in source.files if (rank := _numbers(path)[1]) is not None}
        if lost := [str(rank) for rank in range(self.world) if rank not in there]:
            what = f"has {len(there)} of {plural(self.world, 'rank')}; missing: {shortlist(lost)}"
            raise InputError(f"{what}; give the files of all ranks", path=source.location)


class CapturedFinder:
    """Recognises files of ranks by their names, and by what the first in each folder says of itself; any stands for its step."""

    endings: tuple[str, ...] = ()

    def find(self, paths: Sequence[str]) -> Iterator[FoundDump]:
        """Yield the dump of each step once."""
        steps: dict[tuple[str, int], list[int]] = {}
        for position, path in enumerate(paths):
            if (step := _numbers(path)[0]) is not None:
                steps.setdefault((os.path.dirname(path), step), []).append(position)
        worlds: dict[tuple[str, int], int] = {}  # by folder and number of files: a run may go on with other ranks
        listed: dict[
            str, dict[int | None, list[str]]
        ] = {}  # the files in each folder by step: there may be thousands of steps
        for (folder, step), positions in steps.items():
            first = paths[positions[0]]
            if folder not in listed:
                listed[folder] = _by_step(siblings(first))
            files = tuple(listed[folder].get(step, ()))
            alike = folder, len(files)
            if alike not in worlds:
                worlds[alike] = _world(first)
            if worlds[alike] > 1 and files:
                yield FoundDump(DumpSource(files[0], files, Captured(worlds[alike]), step), positions)


FINDER = CapturedFinder()


def _by_step(paths: Sequence[str]) -> dict[int | None, list[str]]:
    found: dict[int | None, list[str]] = {}
    for path in paths:
        found.setdefault(_numbers(path)[0], []).append(path)
    return found


def _numbers(path: str) -> tuple[int | None, int | None]:
    """Return the step and the rank in the name of a file; None for other names.

    >>> _numbers("run/step_00000007.rank_00001.safetensors"), _numbers("run/step_7.safetensors")
    ((7, 1), (None, None))
    """
    name = os.path.basename(path)
    # Most names clearly are of no rank; compile the pattern only for the others.
    found = re.fullmatch(_NAME, name) if ".rank_" in name else None
    return (None, None) if found is None else (int(found["step"]), int(found["rank"]))


def _world(path: str) -> int:
    """Return how many ranks captured the pieces that a file says it holds; 0 if it says no such thing."""
    header = header_of(path)
    return 0 if header is None else _world_in(header.metadata)


def _world_in(facts: Mapping[str, str]) -> int:
    if not is_captured(facts) or facts.get("layout") != "shards":
        return 0
    world = facts.get("world", "")
    return int(world) if re.fullmatch(r"[0-9]{1,7}", world) and int(world) <= _MOST else 0
