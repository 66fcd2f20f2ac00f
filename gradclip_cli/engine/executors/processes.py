"""Run tasks in worker processes, which the interpreter's lock does not hold up."""

import os
import pickle
import selectors
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, islice
from types import TracebackType
from typing import Any, TypeVar

from gradclip_cli.engine.executors import frames
from gradclip_cli.engine.executors.base import OneByOne
from gradclip_cli.engine.executors.progress import Progress, silent
from gradclip_cli.engine.executors.sending import Sent, packed
from gradclip_cli.engine.executors.serving import Reply
from gradclip_cli.engine.executors.threads import Threads
from gradclip_cli.engine.executors.worker import Worker, can_spawn, held_back
from gradclip_cli.errors import GradclipError, InputError, OutputError, reason
from gradclip_cli.formats.hdf5.child import can_fork
from gradclip_cli.notes import Note
from gradclip_cli.storage.interrupts import cleanups

Item = TypeVar("Item")
Result = TypeVar("Result")

_BATCH = 4
"""The most items of a batch: 8 MiB of elements, mostly, which take milliseconds; a message there and back takes 0.1 ms."""
_EACH = 3
"""How many batches each worker should get at least, so that none waits long for the last."""
_AHEAD = 4
"""How many batches for each worker may be under way, or wait for an earlier one."""
_SPAWNED = 8
"""The most workers that are started as new Pythons: each has 40 MiB of its own, of which a forked one shares most."""


class Processes(OneByOne):
    """Runs tasks in `jobs` worker processes that serve all maps until the end, and on threads what cannot be sent to them.

    `progress` is told what the tasks have done. `forked` chooses how workers start, by default as it is safe. Where none can be
    started, threads do the work, and `notes` says so.
    """

    def __init__(
        self,
        jobs: int | None = None,
        progress: Progress = silent,
        *,
        threads: Threads | None = None,
        forked: bool | None = None,
    ) -> None:
        self.threads = threads or Threads(jobs)
        self.jobs, self.work = self.threads.jobs, self.threads.work
        self.notes: list[Note] = []
        self._progress, self._forked, self._most = progress, forked, self.jobs
        self._workers: list[Worker] = []
        self._ready = selectors.PollSelector()  # needs no descriptor, and takes those above 1023
        self._room: tuple[int, int] | None = None

    def __enter__(self) -> "Processes":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.threads.stop()

    def map(self, task: Callable[[Item], Result], items: Iterable[Item], nbytes: int = 0) -> Iterator[Result]:
        """Yield `task(item)` for each item, in order, working some batches ahead; without `nbytes`, on threads.

        Raises what a task raises, and InputError or, where the task writes to files, OutputError if a worker is killed.
        """
        waiting = iter(items)
        ahead = list(islice(waiting, _EACH * _BATCH * self.jobs)) if nbytes and self.jobs > 1 else []
        sent = _sent(task) if len(ahead) > 1 else None
        every = chain(ahead, waiting)
        try:
            if sent is None or not self._begin(sent, len(ahead)):
                yield from self.threads.map(task, every)
                return
            size = max(1, min(_BATCH, len(ahead) // (_EACH * len(self._workers))))
            yield from self._in_order(_Batches(every, size), writes=bool(sent.fds))
            for worker in self._workers:
                with suppress(OSError):  # one that has ended since has done its part
                    frames.send_value(worker.channel, None)  # let go of the task and its files
        except BaseException:  # an interrupt, or a caller that stops early, must also end the workers
            self.stop()
            raise

    def leaves(self, nbytes: int) -> bool:
        """Return whether a map that goes through so many bytes would run in workers, if its task can be sent."""
        return nbytes > 0 and self.jobs > 1 and self._most > 0

    def stop(self) -> None:
        """End all workers at once, and wait until they are gone; the next `map` starts new ones."""
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            worker.stop()
        self._workers = []
        self._ready = selectors.PollSelector()
        room, self._room = self._room, None
        for fd in room or ():
            os.close(fd)
        with suppress(ValueError):
            cleanups.remove(self._kill)

    def _kill(self) -> None:
        for worker in self._workers:
            worker.kill()

    def _begin(self, sent: Sent, items: int) -> bool:
        """Give all workers a task; return False where there are none, or where they cannot unpack it."""
        if any(worker.batches for worker in self._workers):  # of a map that was left unfinished
            self.stop()
        self._start(min(self._most, items))
        for worker in self._workers:
            with self._while_it_lives(worker, bool(sent.fds)):
                frames.send_value(worker.channel, True)
                frames.send(worker.channel, sent)
        refused = []
        for worker in self._workers:
            with self._while_it_lives(worker, bool(sent.fds)):
                refused.append(frames.receive_value(worker.channel))
        return bool(refused) and not any(refused)

    def _start(self, wanted: int) -> None:
        """Start workers until there are so many; if fewer than two can be, go on without any, and note that."""
        if len(self._workers) >= wanted:
            return
        self.threads.stop()
        forked = _may_fork() if self._forked is None else self._forked
        wanted = wanted if forked else min(wanted, _SPAWNED)
        failure = self._add(wanted, forked)
        if len(self._workers) < wanted:
            self._most = len(self._workers)
        if len(self._workers) < 2:
            self.stop()
            self._most = 0
            what = (
                f"no worker processes can be started: {failure}; threads do the work, more slowly; -j 1 asks for none"
            )
            self.notes.append(Note("processes", what))

    def _add(self, wanted: int, forked: bool) -> str:
        """Start the workers that are missing, and keep those that answer; return why they may be fewer than wanted."""
        before, startable = len(self._workers), forked or can_spawn()
        failure = "they end at once" if startable else "no Python is known"
        with held_back():
            try:
                room = self._shared_room()
                while len(self._workers) < wanted and startable:
                    self._workers.append(Worker(forked))
            except OSError as error:
                failure = reason(error)
        new = self._workers[before:]
        self._workers[before:] = [worker for worker in new if worker.answers(room)]
        for worker in self._workers[before:]:
            self._ready.register(worker.channel, selectors.EVENT_READ, worker)
        return failure

    def _shared_room(self) -> tuple[int, int]:
        """Return the pipe by which all workers share room for two large tasks."""
        if self._room is None:
            self._room = os.pipe()
            os.write(self._room[1], b"++")
            cleanups.append(self._kill)
        return self._room

    def _in_order(self, batches: "_Batches", writes: bool) -> Iterator[Any]:
        """Send batches a few ahead, and yield the results of their items in order."""
        sent, taken, early = 0, 0, dict[int, Reply]()
        while True:
            sent = self._send(batches, sent, taken + _AHEAD * len(self._workers), writes)
            if taken == sent:
                return
            while taken not in early:
                early.update(self._receive(writes))
                sent = self._send(batches, sent, taken + _AHEAD * len(self._workers), writes)
            reply = early.pop(taken)
            taken += 1
            yield from reply.results
            if reply.error is not None:
                raise reply.error

    def _send(self, batches: "_Batches", sent: int, most: int, writes: bool) -> int:
        """Send batches to workers that have less than two, up to number `most`; return the number of the next."""
        for load in (0, 1):
            for worker in self._workers:
                if sent == most or (batch := batches.next()) is None:
                    return sent
                # A large one would wait for a worker that is busy, which may wait for this process to take its results.
                if len(worker.batches) <= load and not (worker.batches and len(batch) > frames.SMALL):
                    with self._while_it_lives(worker, writes):
                        frames.send(worker.channel, Sent(batch, ()))
                    worker.batches.append(sent)
                    batches.drop()
                    sent += 1
        return sent

    def _receive(self, writes: bool) -> Iterator[tuple[int, Reply]]:
        """Wait for replies, and yield them with the numbers of their batches."""
        for key, _ in self._ready.select():
            worker: Worker = key.data
            with self._while_it_lives(worker, writes):
                reply = Reply(*frames.receive_value(worker.channel))
            for path, nbytes in reply.done.items():
                self._progress(nbytes, path)
            yield worker.batches.popleft(), reply

    @contextmanager
    def _while_it_lives(self, worker: Worker, writes: bool) -> Iterator[None]:
        """Raise InputError, or OutputError for a task that writes, if a worker ends instead of what it should do."""
        try:
            yield
        except (OSError, EOFError) as error:
            what = f"a worker process {worker.ended()}, perhaps for lack of memory; free memory, or use fewer with -j (-j 1)"
            raise (OutputError if writes else InputError)(what) from error


class _Batches:
    """Pickled batches of items; each stays the next until it is dropped."""

    def __init__(self, items: Iterator[Any], size: int) -> None:
        self._items, self._size = items, size
        self._next: bytes | None = None

    def next(self) -> bytes | None:
        """Return the next batch; None if there are no more items."""
        if self._next is None and (items := list(islice(self._items, self._size))):
            self._next = pickle.dumps(items, pickle.HIGHEST_PROTOCOL)
        return self._next

    def drop(self) -> None:
        """Go on to the batch after this one."""
        self._next = None


def _sent(task: object) -> Sent | None:
    """Pack a task; return None if a part of it cannot leave this process."""
    try:
        sent = packed(task)
    except (GradclipError, TypeError, AttributeError, ValueError, pickle.PicklingError):
        return None
    return sent if len(sent.fds) <= frames.MOST_FILES else None


def _may_fork() -> bool:
    """Return whether this process has one thread; one that has ended may be seen a moment longer."""
    for _ in range(20):
        if can_fork():
            return True
        if threading.active_count() > 1:
            return False
        time.sleep(0.0005)
    return False
