"""Run tasks on threads, one for each processor by default."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from contextvars import copy_context
from itertools import chain, islice
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, NamedTuple, TypeVar

from gradclip_cli.engine.executors.base import OneByOne
from gradclip_cli.engine.executors.processors import available
from gradclip_cli.numerics.workspace import Workspace

Item = TypeVar("Item")
Result = TypeVar("Result")


class Job(NamedTuple):
    """A task to run on one item; `number` is the position of the item."""

    number: int
    task: Callable[[Any], Any]
    item: Any


class Outcome(NamedTuple):
    """The result of the job with this number, or the error that ended it."""

    number: int
    result: Any
    error: BaseException | None = None


class Threads(OneByOne):
    """Runs tasks on `jobs` threads, including the calling one; numpy and system calls release Python's lock.

    A `concurrent.futures` pool would leave the calling thread idle, which costs a tenth of the time on two processors. It
    also takes 7 ms to import, a tenth of the time of a small dump.
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
        self.stop()

    def map(self, task: Callable[[Item], Result], items: Iterable[Item], nbytes: int = 0) -> Iterator[Result]:
        """Yield `task(item)` for each item, in order, working a few items ahead; a single item runs in this thread."""
        waiting = iter(items)
        ahead = list(islice(waiting, 2))
        if self.jobs == 1 or len(ahead) < 2:
            yield from map(task, ahead)
            yield from map(task, waiting)
            return
        try:
            yield from self._in_order(Job(number, task, item) for number, item in enumerate(chain(ahead, waiting)))
        except BaseException:  # an interrupt, or a caller that stops early, must also end the threads
            self.stop()
            raise

    def leaves(self, nbytes: int) -> bool:
        """Return False: threads share a process."""
        return False

    def _in_order(self, jobs: Iterator[Job]) -> Iterator[Any]:
        """Queue jobs a few ahead, and yield their results in order."""
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
        """Queue jobs; return how many there were."""
        count = 0
        for job in jobs:
            self._todo.put(job)
            count += 1
        return count

    def _start(self, tasks: int) -> None:
        """Start the other threads, no more than there are tasks for."""
        while len(self._threads) < min(self.jobs, tasks) - 1:
            self._threads.append(
                threading.Thread(target=copy_context().run, args=(_work, self._todo, self._done), daemon=True)
            )
            try:
                self._threads[-1].start()
            except RuntimeError:  # the system allows no more threads: go on with those there are
                self._threads.pop()
                return

    def _one_more(self) -> Outcome:
        """Return a finished outcome, or else run a job in this thread; wait for other threads only if no job is left."""
        with suppress(Empty):
            return self._done.get_nowait()
        with suppress(Empty):
            if (job := self._todo.get_nowait()) is not None:
                return _do(job, Exception)
        return self._done.get()

    def stop(self) -> None:
        """Drop queued jobs and wait for running ones, so that none goes on after an error or mixes with the next `map`.

        The next `map` starts threads anew.
        It relies on no counters: an interrupt may have come between any two steps.
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
    """Run jobs until None arrives; pass on every error, interrupts included, as an outcome."""
    while (job := todo.get()) is not None:
        done.put(_do(job, BaseException))


def _do(job: Job, kept: type[BaseException]) -> Outcome:
    """Run a job; return errors of the kind `kept` in its outcome, and raise others, such as interrupts of the main thread."""
    try:
        return Outcome(job.number, job.task(job.item))
    except kept as error:
        return Outcome(job.number, None, error)
