"""Pack what the rules of `check` gather of a source while it is measured, so that a later `report` need not read it again."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.commands.check.out_of_range import RangeCounts
from gradclip_cli.commands.check.steady_slices import SteadySlices
from gradclip_cli.commands.check.zero_slices import Known, ZeroSlices
from gradclip_cli.engine.memory.packing import packed, unpacked
from gradclip_cli.storage.results import digest_of

Arrays = Mapping[int, NDArray[Any]]


class Looks:
    """Tells by a digest what decides which tensors of a source are looked at; names are hashed where they have changed."""

    def __init__(self) -> None:
        self._known: tuple[object, bytes] = ((), b"")

    def of(self, known: Iterable[Known], skipped: int) -> bytes:
        """Return the digest; names are only ever added to those of dumps, and taken from those that are looked at."""
        some = list(known)
        sizes = skipped, [None if names is None else len(names) for pair in some for names in pair]
        if self._known[0] != sizes:
            names = [None if names is None else sorted(names) for pair in some for names in pair]
            self._known = sizes, digest_of(json.dumps([skipped, names]).encode())
        return self._known[1]


def packed_gathered(
    files: Sequence[str], looks: Collection[bytes], counts: RangeCounts, slices: tuple[ZeroSlices, SteadySlices]
) -> bytes | None:
    """Return the bytes of what was gathered of the files of a source, as `looks` decided; None if that was not one and the same."""
    if len(looks) > 1:
        return None
    arrays, parts = list[NDArray[Any]](), []
    for found in (counts.counted, *(one.found_in(path) for one in slices for path in files)):
        parts.append(None if found is None else list(found))
        arrays += [] if found is None else [one.view(np.int64) for one in found.values()]
    return packed([*(one.hex() for one in looks), parts], arrays)


def recalled(
    data: bytes,
    files: Sequence[str],
    looks: Collection[bytes],
    counts: RangeCounts,
    slices: tuple[ZeroSlices, SteadySlices],
) -> bool:
    """Take what was gathered of the files of a source; return False if `looks` decides otherwise now.

    Raises one of UNREADABLE for other bytes than `packed_gathered` returns.
    """
    (looked, parts), arrays = unpacked(data)
    if bytes.fromhex(looked) not in looks:
        return False
    every = iter(arrays)
    counted, *found = [None if part is None else {number: next(every) for number in part} for part in parts]
    counts.recall(counted or {})
    places = [(one, path) for one in slices for path in files]
    for (one, path), some in zip(places, found, strict=True):
        if some is not None:
            one.recall(path, _own(one, some))
    return True


def _own(one: ZeroSlices | SteadySlices, found: Arrays) -> Arrays:
    """Return arrays of the dtype that they are gathered in."""
    return {k: array.view(np.uint64) for k, array in found.items()} if isinstance(one, SteadySlices) else found
