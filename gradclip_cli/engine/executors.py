"""Executors: how many pieces are worked on at once, and by what, is decided here and nowhere else."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from itertools import chain, islice
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, NamedTuple, Protocol, TypeVar

from gradclip_cli.numerics.workspace import Workspace

Item = TypeVar("Item")
Result = TypeVar("Result")

_LARGE = 16 << 20
_two = threading.Semaphore(2)
_free = nullcontext()


class Executor(Protocol):
    """Works on items side by side; threads do so here, and processes or a cluster can stand behind the same method.

    The tasks of `measure`, `rewrite` (without a writer) and `compare` can be pickled, and so be sent anywhere.
    """

    jobs: int
    """How many items are worked on at once."""
    work: Workspace
    """Where tasks keep their arrays: each thread its own, and none longer than the executor."""

    def map(self, task: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield `task(item)` for each item, in the order of the items; what a task raises is raised here."""


class Job(NamedTuple):
    """What one thread does next: a task on the item of this number."""

    number: int
    task: Callable[[Any], Any]
    item: Any


class Outcome(NamedTuple):
    """What became of the job of this number: its result, or the error that it ended with."""

    number: int
    result: Any
    error: BaseException | None = None


def available() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def room(nbytes: int) -> AbstractContextManager[object]:
    """Let two tasks at most hold so many bytes each, where these are many: memory is not to grow with the processors."""
    return _two if nbytes > _LARGE else _free


class Threads:
    """An executor of `jobs` threads, this one among them; numpy and the system calls let go of Python's lock.

    The pool of `concurrent.futures` would leave this thread idle, which costs a tenth of the time on two processors, and
    takes 7 ms to import, a tenth of what a small dump takes.
    """

    def __init__(self, jobs: int | None = None) -> None:
        self.jobs = jobs or available()
        self.work = Workspace()
        self._threads: list[threading.Thread] = []
        self._todo: SimpleQueue[Job | None] = SimpleQueue()
        self._done: SimpleQueue[Outcome] = SimpleQueue()

    def __enter__(self) -> "Threads":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def map(self, task: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield `task(item)` for each item, in order, a few items ahead; one item alone is done in this thread."""
        waiting = iter(items)
        ahead = list(islice(waiting, 2))
        if self.jobs == 1 or len(ahead) < 2:
            yield from map(task, ahead)
            yield from map(task, waiting)
            return
        try:
            yield from self._in_order(Job(number, task, item) for number, item in enumerate(chain(ahead, waiting)))
        except BaseException:  # an interrupt, or a caller who takes no more, ends the threads as an error does
            self._stop()
            raise

    def _in_order(self, jobs: Iterator[Job]) -> Iterator[Any]:
        """Hand out jobs, a few ahead, and yield their results in order."""
        sent, taken, early = self._send(islice(jobs, 2 + 3 * self.jobs)), 0, dict[int, Outcome]()
        self._start(sent)
        while taken < sent:
            while taken not in early:
                found = self._one_more()
                early[found.number] = found
            outcome = early.pop(taken)
            if outcome.error is not None:
                raise outcome.error
            taken += 1
            sent += self._send(islice(jobs, 1))
            yield outcome.result

    def _send(self, jobs: Iterable[Job]) -> int:
        """Hand out jobs; return how many there were."""
        count = 0
        for job in jobs:
            self._todo.put(job)
            count += 1
        return count

    def _start(self, tasks: int) -> None:
        """Start threads beside this one, no more than there is to do."""
        while len(self._threads) < min(self.jobs, tasks) - 1:
            self._threads.append(threading.Thread(target=_work, args=(self._todo, self._done), daemon=True))
            try:
                self._threads[-1].start()
            except RuntimeError:  # the system allows no more of them
                self._threads.pop()
                return

    def _one_more(self) -> Outcome:
        """Return what another thread has done, or else do something; only where nothing is left to do wait for the others."""
        with suppress(Empty):
            return self._done.get_nowait()
        with suppress(Empty):
            if (job := self._todo.get_nowait()) is not None:
                return _do(job, Exception)
        return self._done.get()

    def _stop(self) -> None:
        """Drop what has not begun, and wait for what is under way: nothing may go on after an error, or mix with the next map.

        Nothing is counted: an interrupt may have come between any two steps.
        """
        with suppress(Empty):
            while True:
                self._todo.get_nowait()
        for _ in self._threads:
            self._todo.put(None)
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        self._threads, self._todo, self._done = [], SimpleQueue(), SimpleQueue()


def _work(todo: "SimpleQueue[Job | None]", done: "SimpleQueue[Outcome]") -> None:
    """Do jobs until there is none; an interrupt in a thread, too, is for whoever asks for the result."""
    while (job := todo.get()) is not None:
        done.put(_do(job, BaseException))


def _do(job: Job, kept: type[BaseException]) -> Outcome:
    """Do a job; errors of a kind are kept for whoever asks for the result, an interrupt of the main thread is not."""
    try:
        return Outcome(job.number, job.task(job.item))
    except kept as error:
        return Outcome(job.number, None, error)
