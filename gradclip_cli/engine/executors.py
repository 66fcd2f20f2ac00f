"""Threads: how many pieces are worked on at once is decided here and nowhere else."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from itertools import chain, islice
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Job = tuple[int, Callable[[Any], Any], Any]
Done = tuple[int, Any, BaseException | None]

_LARGE = 16 << 20
_two = threading.Semaphore(2)
_free = nullcontext()


def available() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def room(nbytes: int) -> AbstractContextManager[object]:
    """Let two tasks at most hold so many bytes each, where these are many: memory is not to grow with the processors."""
    return _two if nbytes > _LARGE else _free


class Workers:
    """`jobs` threads, this one among them, that work on pieces side by side; numpy and the system calls let go of Python's lock.

    (`concurrent.futures` does the same, but takes as long to import as a small dump takes to read.)
    """

    def __init__(self, jobs: int | None = None) -> None:
        self.jobs = jobs or available()
        self._threads: list[threading.Thread] = []
        self._todo: SimpleQueue[Job | None] = SimpleQueue()
        self._done: SimpleQueue[Done] = SimpleQueue()

    def __enter__(self) -> "Workers":
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
            yield from self._in_order((number, task, item) for number, item in enumerate(chain(ahead, waiting)))
        except BaseException:
            self._stop()
            raise

    def _in_order(self, jobs: Iterator[Job]) -> Iterator[Any]:
        """Hand out jobs, a few ahead, and yield their results in order."""
        sent, taken, early = self._send(islice(jobs, 2 + 3 * self.jobs)), 0, dict[int, Done]()
        self._start(sent)
        while taken < sent:
            while taken not in early:
                found = self._one_more()
                early[found[0]] = found
            _, result, error = early.pop(taken)
            if error is not None:
                raise error
            taken += 1
            sent += self._send(islice(jobs, 1))
            yield result

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

    def _one_more(self) -> Done:
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


def _work(todo: "SimpleQueue[Job | None]", done: "SimpleQueue[Done]") -> None:
    while (job := todo.get()) is not None:
        done.put(_do(job, BaseException))


def _do(job: Job, kept: type[BaseException]) -> Done:
    """Do a job; errors of a kind are kept for whoever asks for the result, an interrupt of the main thread is not."""
    number, task, item = job
    try:
        return number, task(item), None
    except kept as error:
        return number, None, error
