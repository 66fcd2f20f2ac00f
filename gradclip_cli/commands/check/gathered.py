"""Gather what the rules of `check` need of a source beside its figures, as bytes too, so that a later `report` need not read it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.commands.check.out_of_range import Counts, DumpRangeCounts, RangeCounts, SliceRangeCounts
from gradclip_cli.commands.check.steady_slices import SteadyLook, SteadySlices
from gradclip_cli.commands.check.zero_slices import Seen, ZeroLook, ZeroSlices
from gradclip_cli.engine.measure import PieceObserver, together
from gradclip_cli.engine.memory.packing import packed, unpacked
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.formats.base import Format, Reader
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.storage.results import digest_of


class Gathered(NamedTuple):
    """What was gathered of a source: counts of values out of range, and what was seen of slices that may be zero, or the same."""

    counted: Mapping[int, Counts]
    zero: Seen
    steady: Seen


class Begun:
    """A source that is being measured with the observers that this makes, the first dumps of which may be skipped."""

    def __init__(self, look: "Look", skipped: int = 0) -> None:
        self._look, self.skipped = look, skipped
        self.counts: RangeCounts = (SliceRangeCounts if look.sliced else DumpRangeCounts)(look.targets, look.work)
        self.zero, self.steady = Seen.nothing(), Seen.nothing()

    def observer_for(self, format: Format, reader: Reader) -> PieceObserver | None:
        """Return the observer of the pieces of a file."""
        look = self._look
        counts, steady = self.counts.observer_for(format, reader), look.steady.observer_for(reader, self.steady)
        return together([counts, steady, look.zero.observer_for(reader, self.zero, self.skipped)])

    @property
    def gathered(self) -> Gathered:
        """What was gathered of the source."""
        return Gathered(self.counts.counted, self.zero, self.steady)

    def take(self, gathered: Gathered) -> None:
        """Take what was gathered of the source elsewhere, or before, in place of observing it."""
        counted, self.zero, self.steady = gathered
        self.counts.recall(counted)


class Look(NamedTuple):
    """What is looked at in sources; it can be pickled."""

    targets: Sequence[str]
    zero: ZeroLook
    steady: SteadyLook
    work: Workspace
    sliced: bool

    def begin(self) -> Begun:
        """Begin a source of which no dump is skipped."""
        return Begun(self)


class Gathering:
    """Counts of values out of the range of some dtypes, and the slices that may be zero, or the same, in all dumps so far.

    Each source is begun, measured with the observers of what that returns, and taken. In place of being measured here, it may be
    measured elsewhere, or recalled. Sources are taken in order; those begun earlier look at more, which changes nothing.
    """

    def __init__(self, rules: Sequence[str], targets: Sequence[str], work: Workspace, *, sliced: bool) -> None:
        self.zero = ZeroSlices(sliced=sliced, wanted="dead" in rules)
        self.steady = SteadySlices(wanted="unchanged" in rules and not sliced)
        self._look = Look(targets, self.zero.look, self.steady.look, work, sliced)
        self._known: tuple[object, bytes] = ((), b"")

    def begin(self, skipped: int = 0) -> Begun:
        """Begin a source, of which the first dumps may be skipped."""
        return Begun(self._look, skipped)

    @property
    def look(self) -> Look:
        """What is looked at in sources that are begun from now on, whatever is taken meanwhile."""
        zero, steady = self.zero.look, self.steady.look
        now = zero._replace(known=zero.known.now()), steady._replace(known=steady.known.now())
        return self._look._replace(zero=now[0], steady=now[1])

    def take(self, dumps: Sequence[MeasuredDump], begun: Begun) -> None:
        """Take what was seen of the slices of a source, whose dumps have the names of the series."""
        self.zero.take(dumps, begun.zero)
        self.steady.take(dumps, begun.steady)

    def packed(self, source: DumpSource, begun: Begun) -> bytes:
        """Return the bytes of what was gathered of a source that is taken next, but for what would not be looked at any more."""
        zero, steady = ([_left(*one, path) for path in source.files] for one in self._pairs(begun))
        found = [begun.counts.counted, *zero, *steady]
        arrays = [one.view(np.int64) for some in found for one in some.values()]
        return packed([self._looks(begun.skipped).hex(), [list(some) for some in found]], arrays)

    def recall(self, source: DumpSource, begun: Begun, data: bytes) -> bool:
        """Take what was gathered of a source before; return False if other tensors would be looked at now.

        Raises one of UNREADABLE for other bytes than `packed` returns.
        """
        (looked, parts), arrays = unpacked(data)
        if bytes.fromhex(looked) != self._looks(begun.skipped):
            return False
        every = iter(arrays)
        counted, *found = [{number: next(every) for number in part or ()} for part in parts]
        zero, steady = found[: len(source.files)], found[len(source.files) :]
        signed = [{tensor: one.view(np.uint64) for tensor, one in some.items()} for some in steady]
        seen = (Seen(dict(zip(source.files, some, strict=True)), {}) for some in (zero, signed))
        begun.take(Gathered(counted, *seen))
        return True

    def _pairs(self, begun: Begun) -> "list[tuple[ZeroLook | SteadyLook, Seen]]":
        return [(self.zero.look, begun.zero), (self.steady.look, begun.steady)]

    def _looks(self, skipped: int) -> bytes:
        """Return a digest of what decides which tensors are looked at: names of the dumps so far.

        Names are only ever added to those of dumps, and taken from those that are looked at, so that their numbers tell of changes.
        """
        known = [names for one in (self.zero.look, self.steady.look) for names in one.names]
        skipped = skipped if self._look.sliced else 0
        sizes = skipped, [None if names is None else len(names) for names in known]
        if self._known[0] != sizes:
            text = json.dumps([skipped, [None if names is None else sorted(names) for names in known]])
            self._known = sizes, digest_of(text.encode())
        return self._known[1]


def _left(look: ZeroLook | SteadyLook, seen: Seen, path: str) -> dict[int, NDArray[Any]]:
    """Return what was seen of the tensors of a file, but for those that are settled by now."""
    found = seen.found.get(path, {})
    return {tensor: one for tensor, one in found.items() if not look.is_settled(seen.names[path][tensor])}
