"""Gather what the rules of `check` need of a source beside its figures, as bytes too, so that a later `report` need not read it."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.commands.check.out_of_range import DumpRangeCounts, RangeCounts, SliceRangeCounts
from gradclip_cli.commands.check.steady_slices import SteadySlices
from gradclip_cli.commands.check.zero_slices import ZeroSlices
from gradclip_cli.engine.measure import PieceObserver, together
from gradclip_cli.engine.memory.packing import packed, unpacked
from gradclip_cli.engine.survey import MeasuredDump, ObserverFor
from gradclip_cli.formats.base import Format, Reader
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.storage.results import digest_of


class Begun(NamedTuple):
    """A source that is being measured: its counts, and what makes an observer for each file.

    `looks` are digests of what decided which tensors these look at: one, unless sources were taken since this one was begun.
    """

    counts: RangeCounts
    observer_for: ObserverFor
    looks: set[bytes]


class Gathering:
    """Counts of values out of the range of some dtypes, and the slices that may be zero, or the same, in all dumps so far.

    Each source is begun, measured with the observers that this returns, and taken; in place of being measured, it may be recalled.
    """

    def __init__(self, rules: Sequence[str], targets: Sequence[str], work: Workspace, *, sliced: bool) -> None:
        self.zero = ZeroSlices(sliced=sliced, wanted="dead" in rules)
        self.steady = SteadySlices(wanted="unchanged" in rules and not sliced)
        self._targets, self._work, self._sliced = targets, work, sliced
        self._known: tuple[object, bytes] = ((), b"")

    def begin(self, source: DumpSource, skipped: int = 0) -> Begun:
        """Begin a source, of which the first dumps may be skipped."""
        counts = (SliceRangeCounts if self._sliced else DumpRangeCounts)(self._targets, self._work)
        for one in (self.zero, self.steady):
            one.forget(source.files)
        looks = {self._looks(skipped)}

        def observer_for(format: Format, reader: Reader) -> PieceObserver | None:
            observers = [counts.observer_for(format, reader), self.steady.observer_for(format, reader)]
            observers.append(self.zero.observer_for(format, reader, skipped))
            looks.add(self._looks(skipped))
            return together(observers)

        return Begun(counts, observer_for, looks)

    def take(self, dumps: Sequence[MeasuredDump]) -> None:
        """Take what was seen of the slices of a source, whose dumps have the names of the series."""
        self.zero.take(dumps)
        self.steady.take(dumps)

    def packed(self, source: DumpSource, begun: Begun) -> bytes | None:
        """Return the bytes of what was gathered of a source; None if it is not known what it was looked at for."""
        if len(begun.looks) > 1:
            return None
        arrays, parts = list[NDArray[Any]](), []
        for found in (begun.counts.counted, *(one.found_in(path) for one, path in self._places(source))):
            parts.append(None if found is None else list(found))
            arrays += [] if found is None else [one.view(np.int64) for one in found.values()]
        return packed([*(one.hex() for one in begun.looks), parts], arrays)

    def recall(self, source: DumpSource, begun: Begun, data: bytes) -> bool:
        """Take what was gathered of a source before; return False if other tensors would be looked at now.

        Raises one of UNREADABLE for other bytes than `packed` returns.
        """
        (looked, parts), arrays = unpacked(data)
        if bytes.fromhex(looked) not in begun.looks:
            return False
        every = iter(arrays)
        counted, *found = [None if part is None else {number: next(every) for number in part} for part in parts]
        begun.counts.recall(counted or {})
        for (one, path), some in zip(self._places(source), found, strict=True):
            if some is not None:
                one.recall(path, some)
        return True

    def _places(self, source: DumpSource) -> list[tuple[ZeroSlices | SteadySlices, str]]:
        return [(one, path) for one in (self.zero, self.steady) for path in source.files]

    def _looks(self, skipped: int) -> bytes:
        """Return a digest of what decides which tensors are looked at: names of the dumps so far.

        Names are only ever added to those of dumps, and taken from those that are looked at, so that their numbers tell of changes.
        """
        known = [names for one in (self.zero, self.steady) for names in one.looks_at]
        skipped = skipped if self._sliced else 0
        sizes = skipped, [None if names is None else len(names) for names in known]
        if self._known[0] != sizes:
            text = json.dumps([skipped, [None if names is None else sorted(names) for names in known]])
            self._known = sizes, digest_of(text.encode())
        return self._known[1]
