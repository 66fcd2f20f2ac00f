"""Threads yield results in order, a few ahead, with any number of threads."""

import itertools
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from gradclip_cli.engine.executors import threads as module
from gradclip_cli.engine.executors.base import room
from gradclip_cli.engine.executors.processors import available
from gradclip_cli.engine.executors.threads import Threads

jobs = pytest.mark.parametrize("jobs", [1, 2, 5])


def test_available_processors() -> None:
    """At least one processor may be used, and no more than there are."""
    assert 1 <= available() <= (os.cpu_count() or 1)


def test_by_default_there_is_a_thread_for_each_processor() -> None:
    """Without a number, as many threads as processors are used."""
    assert Threads().jobs == available()


@jobs
@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_results_come_in_order(jobs: int, count: int) -> None:
    """Results are in the order of the items, none lost, whatever the number of threads."""
    with Threads(jobs) as workers:
        assert list(workers.map(lambda item: item * item, range(count))) == [k * k for k in range(count)]


def test_one_item_is_done_in_this_thread() -> None:
    """No thread is started for a single item."""
    with Threads(4) as workers:
        assert list(workers.map(lambda _: threading.get_ident(), [0])) == [threading.get_ident()]


def test_several_items_are_done_in_threads() -> None:
    """With two jobs, two items are worked on at the same time."""
    barrier = threading.Barrier(2, timeout=60)
    with Threads(2) as workers:
        assert sorted(workers.map(lambda _: barrier.wait(), range(2))) == [0, 1]


def test_only_a_few_items_are_taken_ahead() -> None:
    """Items are not all taken before the first result is used, so that what they hold stays bounded."""
    taken: list[int] = []

    def items() -> Iterator[int]:
        for k in range(1000):
            taken.append(k)
            yield k

    with Threads(2) as workers:
        results = workers.map(lambda item: item, items())
        assert next(results) == 0
        assert len(taken) < 50
        results.close()  # type: ignore[attr-defined]


@jobs
def test_an_error_reaches_the_caller(jobs: int) -> None:
    """What a task raises is raised where the results are used."""

    def task(item: int) -> int:
        if item == 7:
            raise KeyError("seven")
        return item

    with Threads(jobs) as workers, pytest.raises(KeyError, match="seven"):
        list(workers.map(task, range(50)))


@jobs
def test_workers_can_be_used_again(jobs: int) -> None:
    """The same threads serve one map after the other."""
    with Threads(jobs) as workers:
        assert [sum(workers.map(lambda item: item + 1, range(10))) for _ in range(3)] == [55, 55, 55]


def test_threads_end_with_the_workers() -> None:
    """After the context no thread of ours is left."""
    with Threads(3) as workers:
        list(workers.map(lambda item: item, range(20)))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("gradclip")]


@pytest.mark.parametrize(("nbytes", "most"), [(64 << 20, 2), (1 << 20, 8)])
def test_room_for_two_large_ones(nbytes: int, most: int) -> None:
    """Tasks that hold much are done two at a time, whatever the number of threads; others all at once."""
    inside, seen, lock = [0], [0], threading.Lock()
    together = threading.Barrier(most)

    def task(_: int) -> None:
        with room(nbytes):
            with lock:
                inside[0] += 1
                seen[0] = max(seen[0], inside[0])
            together.wait(10)
            with lock:
                inside[0] -= 1

    with Threads(8) as workers:
        list(workers.map(task, range(8)))
    assert seen == [most]


def test_there_is_room_after_an_error() -> None:
    """A task that fails leaves its room to others."""
    for _ in range(4):
        with pytest.raises(ZeroDivisionError), room(64 << 20):
            raise ZeroDivisionError


@pytest.mark.parametrize("at", range(1, 40, 3))
def test_an_interrupt_leaves_nothing_behind(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever the main thread is interrupted, between a job and its result too, the interrupt comes through and nothing hangs."""
    real, main, calls = module._do, threading.get_ident(), [0]

    def interrupted(job: Any, kept: type[BaseException]) -> Any:
        if threading.get_ident() == main:
            calls[0] += 1
            if calls[0] == at:
                raise KeyboardInterrupt
        return real(job, kept)

    monkeypatch.setattr(module, "_do", interrupted)
    with Threads(3) as workers:
        with pytest.raises(KeyboardInterrupt):
            list(workers.map(lambda item: item, itertools.count()))
        assert list(workers.map(lambda item: item + 1, range(20))) == list(range(1, 21))


def test_an_interrupt_within_a_task_comes_at_once() -> None:
    """An interrupt of the main thread is no result that waits for its turn."""
    main = threading.get_ident()

    def task(item: int) -> int:
        if threading.get_ident() == main and item > 3:
            raise KeyboardInterrupt
        return item

    with Threads(2) as workers, pytest.raises(KeyboardInterrupt):
        list(workers.map(task, itertools.count()))


def test_threads_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system allows no more threads, those that there are do the work."""
    started: list[threading.Thread] = []
    real = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if len(started) == 1:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    with Threads(8) as workers:
        assert list(workers.map(lambda item: item, range(50))) == list(range(50))
    assert len(started) == 1


def test_no_more_threads_than_tasks() -> None:
    """A hundred thousand jobs for three tasks take two threads beside this one."""
    before = threading.active_count()
    with Threads(100_000) as workers:
        assert list(workers.map(lambda item: item, range(3))) == [0, 1, 2]
        assert threading.active_count() <= before + 2
