"""Run tasks on the workers of a cluster that share the file system with this machine, several dumps at a time."""

import os
import pickle
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from types import TracebackType
from typing import Any, TypeVar

from gradclip_cli.engine.executors.base import Several
from gradclip_cli.engine.executors.canary import Identity, identity
from gradclip_cli.engine.executors.cluster_workers import ClusterWorkers, Pending, Scheduler
from gradclip_cli.engine.executors.held_uploads import Message
from gradclip_cli.engine.executors.orders import Answer, Order, divided, foreseen, lost
from gradclip_cli.engine.executors.progress import Crew, Progress, silent
from gradclip_cli.engine.executors.serving import Reply
from gradclip_cli.engine.executors.shared_files import Shipped, shipped
from gradclip_cli.errors import GradclipError, InputError, LostWorkersError, OutputError
from gradclip_cli.notes import Note
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.storage.remote.settings import Settings, current

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
        self._scheduler, self._progress, self._most = scheduler, progress, most
        self._identity, self._folder = identity(tuple(dict.fromkeys(types))), os.getcwd()
        self._workers = ClusterWorkers(
            scheduler, self._identity, progress.workers if isinstance(progress, Crew) else _nobody
        )
        self._lock, self._under_way, self._over = threading.Lock(), 0, False
        self._pools: list[ThreadPoolExecutor] = []
        self._suspecting = threading.Lock()

    def __enter__(self) -> "Cluster":
        sound = False
        try:
            self._workers.check_versions()
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
        self._workers.look()
        threads = self._workers.threads
        return max(1, min(threads, self._most or threads))

    @property
    def notes(self) -> list[Note]:
        """What the user must know of how the work was done."""
        return self._workers.notes

    def leaves(self, nbytes: int) -> bool:
        """Return whether a map that goes through so many bytes would run on workers, if its task can be sent."""
        return nbytes >= LEAST_MAP

    def map(self, task: Callable[[Item], Result], items: Iterable[Item], nbytes: int = 0) -> Iterator[Result]:
        """Yield `task(item)` for each item, in order, working some batches ahead; raise what a task raises.

        Raises InputError or, where the task writes to files, OutputError if workers die, or the scheduler ends.
        """
        sent = _shipped(task) if self.leaves(nbytes) else None
        if sent is None:
            some = list(items)
            foreseen(task, some)
            yield from map(task, some)
            return
        sent.hand_over()
        try:
            for answer in self._in_order(
                task,
                _Orders(
                    (self._identity, self._folder, current().public),
                    sent.data,
                    self._batches(list(items), nbytes, sent),
                ),
            ):
                yield from self._results(answer)
        except InputError as error:
            if sent.outputs and error.path is None:
                raise OutputError(error.message) from error
            raise
        sent.hand_over()

    def tell(self, message: Message, only: Collection[str] | None = None) -> Mapping[str, Any]:
        """Return what those workers, or all, answer at once, or the error of ours; without those that are lost."""
        return self._scheduler.tell(message, only)

    def several(self, do: Callable[[Item], Result], items: Iterable[Item]) -> Several[Result]:
        """Yield for each item, in order, what returns `do(item)` or raises its error; some are done ahead, in threads."""
        most = min(_MOST_DUMPS, 2 * self.jobs)
        pool, waiting, done = ThreadPoolExecutor(most), deque[Any](), False
        self._pools.append(pool)
        try:
            for item in items:
                waiting.append(pool.submit(copy_context().run, do, item))
                if len(waiting) > 2 * most:
                    yield waiting.popleft().result
            while waiting:
                yield waiting.popleft().result
            done = True
        finally:
            self._over = self._over or not done
            pool.shutdown(wait=True, cancel_futures=True)
            self._pools.remove(pool)

    def _batches(self, items: Sequence[Item], nbytes: int, sent: Shipped) -> Iterator[Sequence[Item]]:
        """Split items that go through so many bytes."""
        size = max(LEAST_BATCH, min(MOST_BATCH, nbytes // (2 * self.jobs)), _LESS_TASK * len(sent.data))
        each = max(1, len(items) * size // nbytes)
        return (items[start : start + each] for start in range(0, len(items), each))

    def _in_order(self, task: object, orders: "_Orders") -> Iterator[Answer]:
        """Send orders some ahead, and yield their answers in order, several of one that is divided."""
        waiting = deque[tuple[Order, Any]]()
        try:
            while True:
                while self._may_send(len(waiting)) and (order := orders.next()) is not None:
                    waiting.append((order, self._scheduler.send(order, self._workers.allowed())))
                    self._count(1)
                if not waiting:
                    return
                order, pending = waiting[0]
                try:
                    answers: Iterable[Answer] = [self._answer(order, pending)]
                except LostWorkersError as error:
                    answers = self._one_by_one(task, order, error, alone=self._under_way == len(waiting))
                waiting.popleft()
                self._count(-1)
                yield from answers
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

    def _answer(self, order: Order, pending: Pending) -> Answer:
        """Wait for the answer to an order; send it again if a worker refuses it."""
        while True:
            if self._over:
                raise InputError("the work was given up; run again")
            answer = pending.answer(1.0)
            if answer is None:
                self._workers.check_workers()
            elif answer.refusal:
                self._workers.refuse(answer.worker, answer.refusal)
                pending = self._scheduler.send(order, self._workers.allowed())
            else:
                return answer

    def _one_by_one(self, task: object, order: Order, error: LostWorkersError, *, alone: bool) -> Iterator[Answer]:
        """Ask for the parts of an order one after the other, since workers died of one of them, or of another order beside it.

        No other suspect is asked meanwhile, so that the next one that workers die of is to blame.
        """
        for one, part in divided(task, order):
            if part is None and alone:
                raise error
            with self._suspecting:
                try:
                    answer = self._answer(one, self._scheduler.send(one, self._workers.allowed()))
                except LostWorkersError as found:
                    answer = lost(task, part, found)
                except InputError as other:
                    raise InputError(f"workers died while they had it, and then {other.message}") from other
            yield answer

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

    def __init__(self, client: tuple[Identity, str, Settings], task: bytes, batches: Iterator[Sequence[Any]]) -> None:
        self._begin, self._batches = (*client, task), batches

    def next(self) -> Order | None:
        """Return the next order; None if there are no more items."""
        some = next(self._batches, None)
        return Order(*self._begin, pickle.dumps(some, pickle.HIGHEST_PROTOCOL)) if some is not None else None


def _nobody(_: int) -> None:
    """Tell nobody how many workers there are."""


def _shipped(task: object) -> Shipped | None:
    """Pickle a task; return None if a part of it cannot leave this process."""
    try:
        return shipped(task)
    except (GradclipError, TypeError, AttributeError, ValueError, OSError, pickle.PicklingError):
        return None
