"""Threads: how many pieces are worked on at once is decided here and nowhere else."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

Item = TypeVar("Item")
Result = TypeVar("Result")


def available() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers:
    """`jobs` threads that work on pieces side by side; numpy and the system calls let go of Python's lock meanwhile."""

    def __init__(self, jobs: int | None = None) -> None:
        self.jobs = jobs or available()
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> "Workers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def map(self, task: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield `task(item)` for each item, in order, a few items ahead; one item alone is done in this thread."""
        waiting = iter(items)
        ahead = list(islice(waiting, 2))
        if self.jobs == 1 or len(ahead) < 2:
            yield from map(task, ahead)
            yield from map(task, waiting)
            return
        from concurrent.futures import ThreadPoolExecutor

        self._pool = self._pool or ThreadPoolExecutor(self.jobs, thread_name_prefix="gradclip")
        running: deque[Future[Result]] = deque(self._pool.submit(task, item) for item in ahead)
        try:
            for item in waiting:
                running.append(self._pool.submit(task, item))
                if len(running) >= 4 * self.jobs:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()
