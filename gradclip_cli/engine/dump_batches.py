"""Measure batches of small dumps: those with the same header are measured at once."""

import threading
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from gradclip_cli.engine.executors.base import Here
from gradclip_cli.engine.executors.progress import Progress, portable, silent
from gradclip_cli.engine.first_nonfinite import FirstNonfinite
from gradclip_cli.engine.measure import PieceObserver, seen
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.series import steps_in
from gradclip_cli.engine.survey import MeasuredDump, measure_file, observer_of, surveyed
from gradclip_cli.errors import GradclipError, InputError
from gradclip_cli.formats.base import Format, Reader
from gradclip_cli.formats.sharing import one_call
from gradclip_cli.inputs.opened import OpenDump, OpenFile
from gradclip_cli.inputs.ordering import expect_all
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.numerics.measuring import measure_alike
from gradclip_cli.numerics.norms import BLOCK, SumKinds, stored_sums
from gradclip_cli.numerics.statistics_table import StatsTable
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.tensors import Piece


class Gatherer(Protocol):
    """Gathers what a command needs of one source beside its figures, while that is measured."""

    def observer_for(self, format: Format, reader: Reader) -> PieceObserver | None:
        """Return the observer of the pieces of a file."""

    @property
    def gathered(self) -> Any:
        """What was gathered, small and picklable."""


class Look(Protocol):
    """Says what is gathered of sources; it can be pickled."""

    def begin(self) -> Gatherer:
        """Begin a source."""


class Found(NamedTuple):
    """The dumps of a source, or why it cannot be read, and what was gathered of it."""

    dumps: list[MeasuredDump] | GradclipError
    gathered: Any = None


_TOGETHER = 512 << 10
"""The bytes of dumps that are measured at once, which stay in the cache of the processor."""


class BatchTask:
    """Reads and measures batches of dumps; each thread keeps the last header for itself."""

    def __init__(
        self,
        selection: Selection,
        sums: SumKinds,
        work: Workspace,
        progress: Progress = silent,
        look: Look | None = None,
    ) -> None:
        self._how = selection, sums, work
        self._progress, self._look, self._own = progress, look, threading.local()

    def measure(self, sources: Sequence[DumpSource]) -> list[Found]:
        """Return the dumps of each source, or the error that it raises."""
        with one_call():
            return _Batch(self._how[1], self.own_run(), self._look).measured(sources)

    def expect(self, items: Sequence[Sequence[DumpSource]]) -> None:
        """Say which remote files are opened next."""
        expect_all(source for sources in items for source in sources)

    def lost(self, source: DumpSource, error: InputError) -> Found:
        """Return what is found of a source that workers of a cluster die of."""
        return Found(InputError(error.message, path=source.location))

    def own_run(self) -> Run:
        """Return the run of this thread."""
        selection, _, work = self._how
        if not hasattr(self._own, "run"):
            self._own.run = Run(selection, Here(work), self._progress)
        found: Run = self._own.run
        return found

    def __reduce__(self) -> tuple[type["BatchTask"], tuple[object, ...]]:
        return BatchTask, (*self._how, portable(self._progress), self._look)


class _Waiting(NamedTuple):
    """A dump that was read, and waits to be measured with others; `number` is its place in the batch."""

    number: int
    dump: OpenDump
    file: OpenFile
    gatherer: Gatherer | None


class _Batch:
    """Measures a batch of dumps. Those in a row with the same header are read one after the other, and measured at once."""

    def __init__(self, sums: SumKinds, run: Run, look: Look | None) -> None:
        self._sums, self._run, self._look = sums, run, look
        self._found: dict[int, Found] = {}
        self._waiting: list[_Waiting] = []
        self._raws = np.empty((0, 0), np.uint8)  # the elements of those that wait, a row each

    def measured(self, sources: Sequence[DumpSource]) -> list[Found]:
        """Return what was found of each source."""
        for number, source in enumerate(sources):
            try:
                self._read(number, source)
            except GradclipError as error:
                self._found[number] = Found(error)
        self._measure_waiting()
        return [self._found[number] for number in range(len(sources))]

    def _read(self, number: int, source: DumpSource) -> None:
        run, firsts, stats = self._run, FirstNonfinite(self._run.workers.work), list[StatsTable]()
        gatherer = self._look.begin() if self._look is not None else None
        observers = [firsts.observer_for, gatherer.observer_for if gatherer is not None else None]
        waits: _Waiting | None = None
        with run.open(source) as dump:
            for file in dump.each():
                if len(source.files) == 1 and (piece := _only_piece(file)) is not None:
                    waits = _Waiting(number, dump, file, gatherer)
                    self._fetch(waits, piece)
                else:
                    stats.append(measure_file(dump, file, self._sums, run, observers))
            dump.check()
        if waits is None:
            dumps = steps_in(surveyed(dump, stats, run, firsts), run)
            self._found[number] = Found(dumps, gatherer.gathered if gatherer is not None else None)
        else:
            self._waiting.append(waits)

    def _fetch(self, waits: _Waiting, piece: Piece) -> None:
        """Read the elements of a dump into the next row."""
        spec = waits.file.tensors[piece.index]
        nbytes = piece.stop * spec.dtype.itemsize
        if self._waiting and not _alike(waits, self._waiting[0]):
            self._measure_waiting()
        if not len(self._raws) or self._raws.shape[1] != nbytes:
            self._raws = np.empty((max(1, _TOGETHER // max(1, nbytes)), nbytes), np.uint8)
        elif len(self._waiting) == len(self._raws):
            self._measure_waiting()
        raw = self._raws[len(self._waiting)]
        waits.file.reader.read(spec, piece.start, raw)
        self._run.progress(raw.size, waits.file.path)
        waits.file.reader.verify(rest=waits.file.outline.taken)

    def _measure_waiting(self) -> None:
        """Measure the dumps that wait."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        outline, work = waiting[0].file.outline, self._run.workers.work
        piece, sizes = outline.pieces[0], [spec.size for spec in outline.gradients]
        sums = stored_sums(self._sums, waiting[0].dump.scale)
        found = measure_alike(self._raws[: len(waiting)], outline.gradients[0].dtype, sizes, sums, work)
        for one, raw, (block, overall) in zip(waiting, self._raws, found, strict=False):
            stats, firsts = StatsTable(outline.counted, block, overall=overall), FirstNonfinite(work)
            first = firsts.observer_for if not stats.all_finite else None
            gather = one.gatherer.observer_for if one.gatherer is not None else None
            if (observer := observer_of(one.file, [first, gather])) is not None:
                observer.take_all(seen(observer.see, piece, raw, block))
            try:
                dumps = steps_in(surveyed(one.dump, [stats], self._run, firsts), self._run)
                self._found[one.number] = Found(dumps, one.gatherer.gathered if one.gatherer is not None else None)
            except GradclipError as error:
                self._found[one.number] = Found(error)


def _only_piece(file: OpenFile) -> Piece | None:
    """Return the only piece of a file, if that holds all of its gradients, and these are so few that others fit beside them."""
    if file.reader.tensors is not file.outline.tensors or len(file.outline.counted) > BLOCK:
        return None
    pieces = file.outline.pieces
    if len(pieces) != 1 or pieces[0].count != len(file.outline.counted):
        return None
    spec = file.tensors[pieces[0].index]
    small = spec.offset is not None and spec.size <= BLOCK and pieces[0].stop * spec.dtype.itemsize <= _TOGETHER // 2
    return pieces[0] if small else None


def _alike(one: _Waiting, other: _Waiting) -> bool:
    """Whether two dumps can be measured at once."""
    return one.file.outline is other.file.outline and one.dump.scale == other.dump.scale
