"""Measure the dumps of a series: a batch of small ones is one task, and large ones are split into pieces."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import groupby
from typing import Any, Protocol

from gradclip_cli.engine.dump_batches import BatchTask, Found, Look
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.series import Begin, Measure, settled_each, survey_in_order
from gradclip_cli.engine.survey import MeasuredDump, ObserverFor
from gradclip_cli.errors import GradclipError, InputError
from gradclip_cli.inputs.ordering import expect_all
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.numerics.norms import SumKinds
from gradclip_cli.storage import locations
from gradclip_cli.storage.streams import is_of_this_process
from gradclip_cli.tensors import PIECE_BYTES

_MOST_DUMPS = 64
_BATCH_BYTES = 1 << 20
"""The most dumps of a batch, and the bytes with which one is full."""
_TASK_BYTES = 64 << 20
"""The size of the largest dump that is a task. If there are enough dumps, no processor waits at the end of each."""
_MOST_TENSORS = 2000
"""The most tensors of a dump in a batch: what is known of each stays in memory until the dumps before are done with."""
_DUMP_WORK = 128 << 10
"""The bytes of elements whose measuring takes as long as opening a small dump and sending what was found: 60 µs."""
_ON_THREADS = 256 << 10
"""Smaller dumps take more time in Python than in numpy, and threads then wait for each other."""


class Gathers(Protocol):
    """Gathers what a command needs of each source beside its figures, while that is measured."""

    def begin(self, source: DumpSource) -> ObserverFor:
        """Begin a source that is measured here; return what makes an observer of each of its files."""

    @property
    def look(self) -> Look | None:
        """What is gathered of the next sources where they are measured elsewhere; None if they must be measured here."""

    def accept(self, source: DumpSource, gathered: Any) -> None:
        """Take what was gathered of a source elsewhere, in place of beginning it."""


def measure_each(sources: Sequence[DumpSource], sums: SumKinds, run: Run) -> Iterator[Measure]:
    """Yield for each source, in order, what measures it; call it before the next is taken."""
    return settled_each(sources, survey_each(sources, sums, run), run)


def survey_each(
    sources: Sequence[DumpSource], sums: SumKinds, run: Run, gathers: Gathers | None = None
) -> Iterator[Measure]:
    """Yield for each source, in order, what reads and measures it, before anything follows from the dumps before.

    Small dumps are tasks, a batch of them each, and large ones are split into pieces: never both at the same time.
    """
    expect_all(sources)
    most = _TASK_BYTES if run.workers.far or len(sources) >= 4 * run.workers.jobs else PIECE_BYTES
    sized = [(source, _size(source)) for source in sources]
    begin = gathers.begin if gathers is not None else None
    for small, some in groupby(sized, lambda pair: pair[1] <= most):
        every, tensors = list(some), list[int]()
        batched = small and run.selection.along is None and run.unit_axis is None
        batched = batched and (gathers is None or gathers.look is not None)
        # The first of them show how many tensors the others are likely to have, and which of these are looked at further.
        alone = 0 if not batched else 1 if gathers is None else 2
        yield from (partial(_alone, source, sums, run, begin, tensors) for source, _ in every[:alone])
        rest = every[alone:]
        if batched and rest and max(tensors, default=0) <= _MOST_TENSORS:
            yield from _in_batches(rest, sums, run, gathers)
        else:
            yield from survey_in_order([source for source, _ in rest], sums, run, begin)


def _alone(source: DumpSource, sums: SumKinds, run: Run, begin: Begin | None, tensors: list[int]) -> list[MeasuredDump]:
    """Measure one of several dumps here, and note how many tensors it has."""
    (survey,) = survey_in_order([source], sums, run, begin)
    found = survey()
    tensors += [len(dump.tensors) for dump in found[:1]]
    return found


def _in_batches(
    sized: Sequence[tuple[DumpSource, int]], sums: SumKinds, run: Run, gathers: Gathers | None
) -> Iterator[Measure]:
    """Measure batches of dumps, given with their sizes, on several processors if that is faster."""
    look, workers = gathers.look if gathers is not None else None, run.workers
    task = BatchTask(run.selection, sums, workers.work, run.progress, look)
    task.own_run().headers = run.headers  # this thread has read the header of the first dump
    count, nbytes = len(sized), sum(size for _, size in sized)
    work = nbytes + _DUMP_WORK * count
    batches = _batches(sized, max(8, min(_MOST_DUMPS, count // (4 * workers.jobs))))
    spread = workers.jobs > 1 and (workers.leaves(work) or nbytes > _ON_THREADS * count)
    here = not workers.far and any(locations.is_remote(file) for source, _ in sized for file in source.files)
    results = workers.map(task.measure, batches, 0 if here else work) if spread else map(task.measure, batches)
    every = (source for source, _ in sized)
    for found in _located(results, every) if workers.far else results:
        yield from (partial(_handed_out, one, source, gathers) for one, source in zip(found, every, strict=False))


def _located(results: Iterator[list[Found]], sources: Iterator[DumpSource]) -> Iterator[list[Found]]:
    """Name the dump at which the scheduler ended, or its workers; `sources` are those that were not yet taken."""
    while True:
        try:
            found = next(results)
        except StopIteration:
            return
        except InputError as error:
            raise InputError(error.message, path=error.path or next(sources).location) from error
        yield found


def _handed_out(found: Found, source: DumpSource, gathers: Gathers | None) -> list[MeasuredDump]:
    if isinstance(found.dumps, GradclipError):
        raise found.dumps
    if gathers is not None:
        gathers.accept(source, found.gathered)
    return found.dumps


def _batches(sources: Iterable[tuple[DumpSource, int]], most: int) -> Iterator[list[DumpSource]]:
    batch, nbytes = list[DumpSource](), 0
    for source, size in sources:
        batch.append(source)
        nbytes += size
        if len(batch) == most or nbytes >= _BATCH_BYTES:
            yield batch
            batch, nbytes = [], 0
    if batch:
        yield batch


def _size(source: DumpSource) -> int:
    """Return the size of the files of a dump in bytes; one that must be read here, or is not there, counts as large."""
    with suppress(OSError, ValueError):
        if not any(map(is_of_this_process, source.files)):
            return sum(map(locations.size, source.files))
    return _TASK_BYTES + 1
