"""Run tasks on the workers of a cluster that share the file system with this machine, several dumps at a time."""

import math
import os
import pickle
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Protocol, TypeVar

from gradclip_cli.engine.executors.base import Several
from gradclip_cli.engine.executors.canary import Identity, identity
from gradclip_cli.engine.executors.orders import Answer, Order
from gradclip_cli.engine.executors.progress import Progress, silent
from gradclip_cli.engine.executors.serving import Reply
from gradclip_cli.engine.executors.shared_files import Shipped, shipped
from gradclip_cli.errors import GradclipError, InputError, OutputError, UsageError
from gradclip_cli.notes import Note
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.text import plural

Item = TypeVar("Item")
Result = TypeVar("Result")

LEAST_MAP = 8 << 20
"""A map of fewer bytes stays here: it takes about as long as sending it, 3 ms."""
LEAST_BATCH, MOST_BATCH = 64 << 20, 128 << 20
"""The bytes of a batch: 50 ms of work or more."""
_LESS_TASK = 256
"""A batch has so many times the bytes of its pickled task, which goes through the scheduler with each."""
AHEAD = 4
"""How many batches for each thread of a worker are under way or wait, over all dumps."""
_MOST_DUMPS = 256
"""The most dumps at the same time: each has a thread here, which reads the header and waits."""
PATIENCE = 60.0
"""Seconds to wait for a first worker, or for another one after the last is lost."""
_FRESH = 2.0


class Pending(Protocol):
    """An order on its way."""

    def answer(self, seconds: float) -> Answer | None:
        """Wait so long; return None if it is not done by then. Raises InputError if no worker can do it."""


class Scheduler(Protocol):
    """What is needed of a scheduler, so that another engine, or a test, is one class."""

    address: str

    def workers(self) -> Mapping[str, int]:
        """Return the threads of each worker by its address."""

    def identities(self, types: tuple[float, ...]) -> Mapping[str, Identity | str]:
        """Return what each worker is, or why it cannot say."""

    def send(self, order: Order, only: Iterable[str] | None) -> Any:
        """Send an order to any worker, or to one of those; return it as `Pending`."""

    def cancel(self, orders: Iterable[Any]) -> None:
        """Drop orders."""

    def close(self) -> None:
        """Disconnect."""


class Cluster:
    """Runs tasks on a cluster; what is small, or cannot be sent, stays in the thread that asks. `types` are the norms in use.

    Raises UsageError if its workers run another version, or if none may be used.
    """

    far = True

    def __init__(
        self,
        scheduler: Scheduler,
        types: tuple[float, ...] = (2.0,),
        progress: Progress = silent,
        most: int | None = None,
    ) -> None:
        self.work = Workspace()
        self.notes: list[Note] = []
        self._scheduler, self._progress, self._most = scheduler, progress, most
        self._identity, self._folder = identity(tuple(dict.fromkeys(types))), os.getcwd()
        self._refused: dict[str, str] = {}
        self._threads, self._looked = 0, -math.inf
        self._alone: float | None = None
        self._lock, self._under_way, self._over = threading.Lock(), 0, False
        self._pools: list[ThreadPoolExecutor] = []

    def __enter__(self) -> "Cluster":
        sound = False
        try:
            self._check_versions()
            sound = True
        finally:
            if not sound:
                self._scheduler.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        for pool in self._pools:
            pool.shutdown(wait=True, cancel_futures=True)
        self._scheduler.close()

    @property
    def jobs(self) -> int:
        """How many tasks run at the same time: the threads of all workers, at least one."""
        self._look()
        return max(1, min(self._threads, self._most or self._threads))

    def _look(self) -> None:
        """Count the threads of the workers that may be used, and remember since when there is none."""
        with self._lock:
            now = time.monotonic()
            if now - self._looked > _FRESH:
                found = self._scheduler.workers()
                self._threads = sum(count for worker, count in found.items() if worker not in self._refused)
                self._looked, self._alone = now, None if self._threads else self._alone or now

    def leaves(self, nbytes: int) -> bool:
        """Return whether a map that goes through so many bytes would run on workers, if its task can be sent."""
        return nbytes >= LEAST_MAP

    def map(self, task: Callable[[Item], Result], items: Iterable[Item], nbytes: int = 0) -> Iterator[Result]:
        """Yield `task(item)` for each item, in order, working some batches ahead; raise what a task raises.

        Raises InputError or, where the task writes to files, OutputError if workers die, or the scheduler ends.
        """
        sent = _shipped(task) if self.leaves(nbytes) else None
        if sent is None:
            yield from map(task, items)
            return
        sent.hand_over()
        try:
            for answer in self._in_order(
                _Orders(self._identity, self._folder, sent.data, self._batches(list(items), nbytes, sent))
            ):
                yield from self._results(answer)
        except InputError as error:
            if sent.outputs and error.path is None:
                raise OutputError(error.message) from error
            raise
        sent.hand_over()

    def several(self, do: Callable[[Item], Result], items: Iterable[Item]) -> Several[Result]:
        """Yield for each item, in order, what returns `do(item)` or raises its error; some are done ahead, in threads."""
        most = min(_MOST_DUMPS, 2 * self.jobs)
        pool, waiting, done = ThreadPoolExecutor(most), deque[Any](), False
        self._pools.append(pool)
        try:
            for item in items:
                waiting.append(pool.submit(do, item))
                if len(waiting) > 2 * most:
                    yield waiting.popleft().result
            while waiting:
                yield waiting.popleft().result
            done = True
        finally:
            self._over = self._over or not done
            pool.shutdown(wait=True, cancel_futures=True)
            self._pools.remove(pool)

    def _check_versions(self) -> None:
        """Compare all workers with this machine."""
        found = self._scheduler.identities(tuple(p for p, _ in self._identity.sums))
        why = {worker: one if isinstance(one, str) else self._identity.refusal(one) for worker, one in found.items()}
        others = [one for one in found.values() if isinstance(one, str) or one.version != self._identity.version]
        if others:
            other = others[0]
            of = f"run gradclip {other.version}" if isinstance(other, Identity) else f"cannot run gradclip ({other})"
            what = f"{len(others)} of {plural(len(found), 'worker')} {of}, this is {self._identity.version}"
            raise UsageError(f"{self._scheduler.address}: {what}; install the same")
        for worker, refusal in why.items():
            if refusal is not None:
                self._refuse(worker, refusal)
        if found and len(self._refused) == len(found):
            worker, refusal = next(iter(self._refused.items()))
            raise UsageError(f"{self._scheduler.address}: no worker can be used: {worker} {refusal}")

    def _refuse(self, worker: str, refusal: str) -> None:
        """Use a worker no more, and say so."""
        with self._lock:
            known, self._refused[worker] = worker in self._refused, refusal
            if not known:
                self.notes.append(Note("cluster", f"worker {worker} is not used: {refusal}"))

    def _batches(self, items: Sequence[Item], nbytes: int, sent: Shipped) -> Iterator[Sequence[Item]]:
        """Split items that go through so many bytes."""
        size = max(LEAST_BATCH, min(MOST_BATCH, nbytes // (2 * self.jobs)), _LESS_TASK * len(sent.data))
        each = max(1, len(items) * size // nbytes)
        return (items[start : start + each] for start in range(0, len(items), each))

    def _in_order(self, orders: "_Orders") -> Iterator[Answer]:
        """Send orders some ahead, and yield their answers in order."""
        waiting = deque[tuple[Order, Any]]()
        try:
            while True:
                while self._may_send(len(waiting)) and (order := orders.next()) is not None:
                    waiting.append((order, self._scheduler.send(order, self._allowed())))
                    self._count(1)
                if not waiting:
                    return
                answer = self._answer(*waiting[0])
                waiting.popleft()
                self._count(-1)
                yield answer
        finally:
            if waiting:
                self._count(-len(waiting))
                self._scheduler.cancel([pending for _, pending in waiting])

    def _may_send(self, own: int) -> bool:
        """Whether one more order may be under way; each map has one at least, since it may hold up the others."""
        most = self._most or AHEAD * self.jobs
        return own == 0 or (self._under_way < most and own < most)

    def _count(self, more: int) -> None:
        with self._lock:
            self._under_way += more

    def _allowed(self) -> list[str] | None:
        """Return the workers that may be used; None for all, later ones too. Raises UsageError if there is none."""
        if not self._refused:
            return None
        found = [worker for worker in self._scheduler.workers() if worker not in self._refused]
        if not found:
            worker, refusal = next(iter(self._refused.items()))
            raise UsageError(f"{self._scheduler.address}: no worker can be used: {worker} {refusal}")
        return found

    def _answer(self, order: Order, pending: Pending) -> Answer:
        """Wait for the answer to an order; send it again if a worker refuses it."""
        while True:
            if self._over:
                raise InputError("the work was given up; run again")
            answer = pending.answer(1.0)
            if answer is None:
                self._check_workers()
            elif answer.refusal:
                self._refuse(answer.worker, answer.refusal)
                pending = self._scheduler.send(order, self._allowed())
            else:
                return answer

    def _check_workers(self) -> None:
        """Raise InputError if there has been no worker for long."""
        self._look()
        if self._alone is not None and time.monotonic() - self._alone > PATIENCE:
            what = f"{self._scheduler.address} has had no worker for {PATIENCE:.0f} s"
            raise InputError(f"{what}; start some with `dask worker {self._scheduler.address}`")

    def _results(self, answer: Answer) -> Iterator[Any]:
        """Report the progress of an answer, and yield its results up to the first error, which is raised."""
        reply = Reply(*pickle.loads(answer.reply))  # noqa: S301 - workers can run what they like already
        for path, nbytes in reply.done.items():
            self._progress(nbytes, path)
        yield from reply.results
        if answer.unseen is not None and os.path.exists(answer.unseen):
            what = f"worker {answer.worker} does not see it; give a path that all workers share"
            raise (OutputError if isinstance(reply.error, OutputError) else InputError)(
                what, path=answer.unseen
            ) from reply.error
        if reply.error is not None:
            raise reply.error


class _Orders:
    """The orders of one map, pickled one by one."""

    def __init__(self, identity: Identity, folder: str, task: bytes, batches: Iterator[Sequence[Any]]) -> None:
        self._begin, self._batches = (identity, folder, task), batches

    def next(self) -> Order | None:
        """Return the next order; None if there are no more items."""
        some = next(self._batches, None)
        return Order(*self._begin, pickle.dumps(some, pickle.HIGHEST_PROTOCOL)) if some is not None else None


def _shipped(task: object) -> Shipped | None:
    """Pickle a task; return None if a part of it cannot leave this process."""
    try:
        return shipped(task)
    except (GradclipError, TypeError, AttributeError, ValueError, OSError, pickle.PicklingError):
        return None
