"""Choose what the work of one call runs on: threads, or worker processes where these are faster."""

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from gradclip_cli.engine.executors import Threads
from gradclip_cli.engine.processors import available
from gradclip_cli.engine.run import Progress, silent
from gradclip_cli.notes import Note

if TYPE_CHECKING:
    from gradclip_cli.engine.processes import Processes

Item = TypeVar("Item")
Result = TypeVar("Result")

LEAST_JOBS = 4
LEAST_BYTES = 400 << 20


class Chosen:
    """Runs tasks on threads, and on worker processes as soon as one call goes through enough bytes on enough processors.

    There are never more jobs than processors, since more only wait for each other.
    """

    def __init__(self, jobs: int | None = None, progress: Progress = silent) -> None:
        most = available() if jobs != 1 else 1
        self._threads = Threads(min(jobs or most, most))
        self.jobs, self.work = self._threads.jobs, self._threads.work
        self._progress, self._nbytes = progress, 0
        self._processes: Processes | None = None

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
        self._nbytes += nbytes
        if self._processes is None and nbytes and self.jobs >= LEAST_JOBS and self._nbytes >= LEAST_BYTES:
            from gradclip_cli.engine.processes import Processes

            self._processes = Processes(self.jobs, self._progress, threads=self._threads)
        return (self._processes or self._threads).map(task, items, nbytes)
