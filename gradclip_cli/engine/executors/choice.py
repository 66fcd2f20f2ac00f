"""Choose what the work of one call runs on: threads, or worker processes where these are faster."""

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from gradclip_cli.engine.executors.base import OneByOne
from gradclip_cli.engine.executors.processors import available
from gradclip_cli.engine.executors.progress import Progress, silent
from gradclip_cli.engine.executors.threads import Threads
from gradclip_cli.errors import UsageError
from gradclip_cli.notes import Note

if TYPE_CHECKING:
    from gradclip_cli.engine.executors.cluster import Cluster
    from gradclip_cli.engine.executors.processes import Processes

Item = TypeVar("Item")
Result = TypeVar("Result")

LEAST_JOBS, LEAST_BYTES, LEAST_MAP = 4, 400 << 20, 32 << 20
"""Worker processes are started for so many jobs and bytes, counted over all maps of a call, and work on maps of so many bytes."""
# On 16 cores, `stats` of 1.95 GB in float32 takes 1.45 s with one thread, 0.98 with 2, 0.88 with 4, 0.89 with 8 and 1.21 with
# 16, since a thread waits for the interpreter's lock; forked processes take 0.82 s for 2, 0.59 for 4, 0.40 for 8 and 0.35 for
# 16. So each byte takes 0.2 ns less. To start 16 workers takes this process 17 ms of processor time and each worker 2.5 ms, as
# much as 100 MB save; where they cannot be forked, each takes 100 ms, as much as 500 MB. A map takes 3 ms more in each worker,
# which opens the file again, as much as 16 MB save; a batch of items takes 0.02 ms.


class Chosen(OneByOne):
    """Runs tasks on threads, and on worker processes as soon as one call goes through enough bytes on enough processors.

    There are never more jobs than processors, since more only wait for each other. A map that is asked for while the results of
    another one are being taken runs in the thread that asks, since the others are at work on that one.
    """

    def __init__(self, jobs: int | None = None, progress: Progress = silent) -> None:
        most = available() if jobs != 1 else 1
        self._threads = Threads(min(jobs or most, most))
        self.jobs, self.work = self._threads.jobs, self._threads.work
        self._progress, self._nbytes = progress, 0
        self._processes: Processes | None = None
        self._under_way = False

    def __enter__(self) -> "Chosen":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._processes is not None:
            self._processes.stop()
        self._threads.stop()

    @property
    def notes(self) -> list[Note]:
        """What the user must know of how the work was done."""
        return self._processes.notes if self._processes is not None else []

    def map(self, task: Callable[[Item], Result], items: Iterable[Item], nbytes: int = 0) -> Iterator[Result]:
        """Yield `task(item)` for each item, in order; raise what a task raises. Without `nbytes`, it stays on threads."""
        if self._under_way:
            return map(task, items)
        leaves = self.leaves(nbytes)
        self._nbytes += nbytes
        if not leaves:
            return self._taken(self._threads.map(task, items))
        if self._processes is None:
            from gradclip_cli.engine.executors.processes import Processes

            self._processes = Processes(self.jobs, self._progress, threads=self._threads)
        return self._taken(self._processes.map(task, items, nbytes))

    def _taken(self, results: Iterator[Result]) -> Iterator[Result]:
        """Yield results, and know that they are being taken."""
        self._under_way = True
        try:
            yield from results
        finally:
            self._under_way = False

    def leaves(self, nbytes: int) -> bool:
        """Return whether a map that goes through so many bytes would run in worker processes."""
        return self.jobs >= LEAST_JOBS and nbytes >= LEAST_MAP and self._nbytes + nbytes >= LEAST_BYTES


def chosen(
    jobs: int | None, progress: Progress, scheduler: object = None, types: tuple[float, ...] = (2.0,)
) -> "Chosen | Cluster":
    """Return what works on `jobs` items at a time, by default one for each processor; raise UsageError where it is below 1.

    With a `scheduler`, an address or a client, that is its cluster; `types` are the norms that are measured.
    """
    if jobs is not None and jobs < 1:
        raise UsageError(f"jobs must be at least 1, not {jobs}")
    if scheduler is None:
        return Chosen(jobs, progress)
    from gradclip_cli.engine.executors.dask import cluster_of

    return cluster_of(scheduler, types, progress, jobs)
