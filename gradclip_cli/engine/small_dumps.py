"""Measure the dumps of a series: a batch of small ones is one task, and large ones are split into pieces."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import groupby

from gradclip_cli.engine.dump_batches import BatchTask, Found
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.series import measure_series, settled
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.errors import GradclipError
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.numerics.norms import SumKinds
from gradclip_cli.storage.streams import is_of_this_process
from gradclip_cli.tensors import PIECE_BYTES

Measure = Callable[[], list[MeasuredDump]]
"""Measures a source, or hands out what was found there: its dumps, or the error that is raised then."""

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


def measure_each(sources: Sequence[DumpSource], sums: SumKinds, run: Run) -> Iterator[Measure]:
    """Yield for each source, in order, what measures it; call it before the next is taken.

    Small dumps are tasks, a batch of them each, and large ones are split into pieces: never both at the same time.
    """
    most = _TASK_BYTES if len(sources) >= 4 * run.workers.jobs else PIECE_BYTES
    sized = [(source, _size(source)) for source in sources]
    for small, some in groupby(sized, lambda pair: pair[1] <= most):
        first, *rest = some
        tensors = list[int]()
        yield partial(_first, first[0], sums, run, tensors)
        batched = small and bool(rest) and run.selection.along is None and run.unit_axis is None
        if batched and max(tensors, default=0) <= _MOST_TENSORS:
            yield from _in_batches(rest, sums, run)
        else:
            yield from (partial(measure_series, source, sums, run) for source, _ in rest)


def _first(source: DumpSource, sums: SumKinds, run: Run, tensors: list[int]) -> list[MeasuredDump]:
    """Measure the first of several dumps here; it shows how many tensors the others are likely to have."""
    found = measure_series(source, sums, run)
    tensors += [len(dump.tensors) for dump in found[:1]]
    return found


def _in_batches(sized: Sequence[tuple[DumpSource, int]], sums: SumKinds, run: Run) -> Iterator[Measure]:
    """Measure batches of dumps, given with their sizes, on several processors if that is faster."""
    task, workers = BatchTask(run.selection, sums, run.workers.work, run.progress), run.workers
    task.own_run().headers = run.headers  # this thread has read the header of the first dump
    count, nbytes = len(sized), sum(size for _, size in sized)
    work = nbytes + _DUMP_WORK * count
    batches = _batches(sized, max(8, min(_MOST_DUMPS, count // (4 * workers.jobs))))
    spread = workers.jobs > 1 and (workers.leaves(work) or nbytes > _ON_THREADS * count)
    results = workers.map(task.measure, batches, work) if spread else map(task.measure, batches)
    every = (source for source, _ in sized)
    for found in results:
        yield from (partial(_settle, source, one, run) for one, source in zip(found, every, strict=False))


def _settle(source: DumpSource, found: Found, run: Run) -> list[MeasuredDump]:
    """Do what needs the dumps before, in their order."""
    if isinstance(found, GradclipError):
        raise found
    return settled(source, found, run)


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
            return sum([os.stat(path).st_size for path in source.files])
    return _TASK_BYTES + 1
