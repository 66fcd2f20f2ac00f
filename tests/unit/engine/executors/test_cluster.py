"""A cluster gives results in order, sends little ahead, and ends in a line where it cannot go on."""

import os
import pickle
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from gradclip_cli import __version__
from gradclip_cli.engine.executors import cluster_workers as module
from gradclip_cli.engine.executors.canary import identity
from gradclip_cli.engine.executors.cluster import Cluster
from gradclip_cli.engine.executors.orders import Answer, Order
from gradclip_cli.errors import InputError, LostWorkersError, OutputError, UsageError
from gradclip_cli.storage.descriptor import Descriptor
from unit.engine.executors import errands
from unit.engine.executors.made import Scheduler

MB = 1 << 20
LARGE = 1 << 40
"""So many bytes that each item is a batch."""


@pytest.fixture
def scheduler() -> Scheduler:
    """A scheduler with two workers."""
    return Scheduler("one", "two")


@pytest.fixture
def workers(scheduler: Scheduler) -> Iterator[Cluster]:
    """Its cluster, which is disconnected in the end."""
    with Cluster(scheduler) as found:
        yield found
    assert scheduler.closed


def test_results_come_in_order(workers: Cluster, scheduler: Scheduler) -> None:
    """Results are in the order of the items, none lost, with at most four batches a worker ahead."""
    for count in (0, 1, 2, 100):
        assert list(workers.map(errands.square, range(count), LARGE)) == [k * k for k in range(count)]
    assert (len(scheduler.sent), scheduler.most) == (103, 8)
    assert workers.jobs == 2


def test_batches(workers: Cluster, scheduler: Scheduler) -> None:
    """A batch has 64 MiB at least, 128 at most, and as many as give each worker two; what is small, or cannot be sent, stays."""
    for nbytes, expected in ((7 * MB, 0), (8 * MB, 1), (128 * MB, 2), (300 * MB, 4), (2048 * MB, 16)):
        scheduler.sent.clear()
        assert list(workers.map(errands.square, range(240), nbytes)) == [k * k for k in range(240)]
        assert len(scheduler.sent) == expected
    scheduler.sent.clear()
    lock = threading.Lock()
    assert list(workers.map(lambda item: (item, lock)[0], [1, 2], LARGE)) == [1, 2]
    assert scheduler.sent == []


def test_no_more_jobs_than_asked_for(scheduler: Scheduler) -> None:
    """`jobs` limits what is under way."""
    with Cluster(scheduler, most=1) as workers:
        assert list(workers.map(errands.square, range(9), LARGE)) == [k * k for k in range(9)]
        assert (workers.jobs, scheduler.most) == (1, 1)


def test_progress_and_errors_come_back(scheduler: Scheduler) -> None:
    """What tasks report is told by file; an error of ours is the same, with path and tensor, and what waits is dropped."""
    told = {"a": 0, "b": 0}

    def progress(nbytes: int, path: str) -> None:
        told[path] += nbytes

    with Cluster(scheduler, progress=progress) as workers:
        assert list(workers.map(errands.count_bytes, range(100), LARGE)) == list(range(100))
        assert told["a"] == sum(range(1, 100, 2))
        with pytest.raises(InputError, match=r"a\.npz: w: the first") as error:
            list(workers.map(errands.fail_late, range(40), LARGE))
        assert (error.value.path, error.value.tensor) == ("a.npz", "w")
        assert scheduler.cancelled == 7
        with pytest.raises(ZeroDivisionError):
            list(workers.map(errands.divide, [0], LARGE))
        assert list(workers.map(errands.square, [3], LARGE)) == [9]


def test_a_progress_may_hear_of_the_workers(scheduler: Scheduler) -> None:
    """A progress with a method for it is told how many workers there are."""
    told = list[int]()

    class Watching:
        def __call__(self, nbytes: int, path: str) -> None:
            """Take note of nothing."""

        def workers(self, count: int) -> None:
            told.append(count)

    with Cluster(scheduler, progress=Watching()) as workers:
        assert workers.jobs == 2
    assert told == [2]


def test_several_dumps(workers: Cluster) -> None:
    """Several are done at once, each in a thread with maps of its own; each gives its result or its error when it is asked."""
    meet = threading.Barrier(2, timeout=30)

    def do(item: int) -> list[int]:
        if item < 2:
            meet.wait()
        if item == 3:
            raise InputError("no", path="3.npz")
        return list(workers.map(errands.square, [item, 1], LARGE))

    found = []
    for item, result in enumerate(workers.several(do, range(20))):
        if item == 3:
            with pytest.raises(InputError, match=r"3\.npz: no"):
                result()
        else:
            found.append(result())
    assert found == [[k * k, 1] for k in range(20) if k != 3]
    assert list(workers.map(errands.square, [2], LARGE)) == [4]


def test_an_error_ends_the_others(workers: Cluster) -> None:
    """When the caller leaves, what is under way ends, and nothing is begun any more."""
    begun = list[int]()

    def do(item: int) -> int:
        begun.append(item)
        return sum(workers.map(errands.square, range(3), LARGE))

    each = workers.several(do, range(1000))
    next(each)()
    each.close()
    assert len(begun) < 30
    with pytest.raises(InputError, match="given up"):
        do(0)


def test_another_version() -> None:
    """A worker of another version is an error that counts them, and so is one without gradclip; the connection is closed."""
    scheduler = Scheduler(*map(str, range(40)))
    old = identity((2.0,))._replace(version="0.0.1")
    scheduler.who = {"3": old, "7": old, "9": old}
    what = f"tcp://fake:8786: 3 of 40 workers run gradclip 0.0.1, this is {__version__}; install the same"
    with pytest.raises(UsageError, match=what), Cluster(scheduler):
        pass
    assert scheduler.closed
    scheduler.who = {"0": "ModuleNotFoundError: No module named 'gradclip_cli'"}
    with (
        pytest.raises(UsageError, match=r"1 of 40 workers cannot run gradclip \(ModuleNotFoundError"),
        Cluster(scheduler),
    ):
        pass


def test_other_sums(scheduler: Scheduler) -> None:
    """A worker with other sums is not used, which is noted once; where there is no other, that is an error."""
    scheduler.who = {"one": identity((2.0,))._replace(sums=((2.0, "other"),))}
    with Cluster(scheduler) as workers:
        assert list(workers.map(errands.square, range(30), LARGE)) == [k * k for k in range(30)]
    assert set(scheduler.sent) == {"two"}
    assert [note.text for note in workers.notes] == [
        "worker one is not used: its processor sums powers to other bits, for norms with p = 2"
    ]
    scheduler.every = ["one"]
    with pytest.raises(UsageError, match="no worker can be used: one its processor"), Cluster(scheduler):
        pass


def test_a_worker_that_hangs(scheduler: Scheduler) -> None:
    """A worker that does not say what it is is not used, and a note says so."""
    scheduler.who = {"one": None}
    with Cluster(scheduler) as workers:
        assert list(workers.map(errands.square, range(30), LARGE)) == [k * k for k in range(30)]
    assert set(scheduler.sent) == {"two"}
    assert [note.text for note in workers.notes] == ["worker one is not used: it does not answer"]


def test_a_worker_that_refuses_later(scheduler: Scheduler) -> None:
    """What a worker refuses is sent to another one."""
    scheduler.odd = {"two": lambda order: Answer("two", refusal="has numpy 1")}
    with Cluster(scheduler) as workers:
        assert list(workers.map(errands.square, range(30), LARGE)) == [k * k for k in range(30)]
        assert [note.text for note in workers.notes] == ["worker two is not used: has numpy 1"]
        scheduler.every = ["two"]
        with pytest.raises(UsageError, match="no worker can be used: two has numpy 1"):
            list(workers.map(errands.square, range(30), LARGE))


def test_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no worker comes for long, that is an error which says how one is started."""
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    monkeypatch.setattr(module, "_FRESH", 0.0)
    scheduler = Scheduler("gone")

    def nothing(order: Order) -> None:
        scheduler.under_way.append(None)  # type: ignore[arg-type]

    with Cluster(scheduler) as workers:
        scheduler.every, scheduler.odd = [], {"gone": nothing}
        scheduler.send = lambda order, only: Stuck()  # type: ignore[method-assign]
        with pytest.raises(InputError, match=r"no worker for 0 s; start some with `dask worker tcp://fake:8786`"):
            list(workers.map(errands.square, [1], LARGE))


class Stuck:
    """An order that is never done."""

    def answer(self, seconds: float) -> None:
        """Return None."""


class Fails:
    """An order that kills workers."""

    def answer(self, seconds: float) -> Answer:
        """Raise what a lost worker is."""
        raise InputError("4 workers died")


class Deadly:
    """Gives orders to a scheduler; workers die of a number, and with it of what they have beside it at the first time."""

    def __init__(self, scheduler: Scheduler, number: int, beside: int) -> None:
        self._real, self._number, self._beside = scheduler.send, number, beside
        self.asked = list[list[int]]()
        scheduler.send = self.send  # type: ignore[method-assign]

    def send(self, order: Order, only: Iterable[str] | None) -> object:
        """Send an order, or let workers die."""
        items = pickle.loads(order.items)
        numbers = [number for some in items for number in some] if isinstance(items[0], list) else items
        beside = self._beside in numbers and not any(self._beside in before for before in self.asked)
        self.asked.append(numbers)
        return Lost() if self._number in numbers or beside else self._real(order, only)


class Lost:
    """An order that workers died of, or beside."""

    def answer(self, seconds: float) -> Answer:
        """Raise what Dask makes of it."""
        raise LostWorkersError("4 workers died")


def test_the_part_that_workers_die_of(workers: Cluster, scheduler: Scheduler) -> None:
    """Of an order that workers died of, each part is asked alone, until one is to blame; the others have their results."""
    deadly = Deadly(scheduler, 7, beside=3)
    items = [[3 * k, 3 * k + 1, 3 * k + 2] for k in range(5)]
    found = [one for some in workers.map(errands.Divided().squares, items, LARGE) for one in some]
    assert found == [
        (7, "4 workers died; check the path, or save the file again") if k == 7 else k * k for k in range(15)
    ]
    assert sorted(numbers for numbers in deadly.asked if len(numbers) == 1) == [[3], [4], [5], [6], [7], [8]]


def test_an_order_beside_one_that_workers_die_of(workers: Cluster, scheduler: Scheduler) -> None:
    """While others are under way, an order that workers died of is asked again alone; nothing else is, if it was alone."""
    deadly = Deadly(scheduler, 7, beside=3)
    workers._count(1)  # as if there was an order of another dump
    assert list(workers.map(errands.square, [3], LARGE)) == [9]
    with pytest.raises(LostWorkersError):
        list(workers.map(errands.square, [7], LARGE))
    assert deadly.asked == [[3], [3], [7], [7]]
    workers._count(-1)
    with pytest.raises(LostWorkersError):
        list(workers.map(errands.square, [7], LARGE))
    assert deadly.asked[4:] == [[7]]


def test_outputs_are_written_by_path(workers: Cluster, scheduler: Scheduler, tmp_path: Path) -> None:
    """A task writes to an output through its path; one without a name is written here; workers that die there fail an output."""
    with (tmp_path / "out").open("wb") as file:
        task = errands.Write(Descriptor(file.fileno()))
        list(workers.map(task.write, range(10), LARGE))
        assert (tmp_path / "out").read_bytes() == bytes(range(10))
        assert len(scheduler.sent) == 10
        scheduler.send = lambda order, only: Fails()  # type: ignore[method-assign]
        with pytest.raises(OutputError, match="4 workers died"):
            list(workers.map(task.write, range(10), LARGE))
        os.unlink(file.name)
        list(workers.map(task.write, range(20), LARGE))
        assert os.fstat(file.fileno()).st_size == 20


def test_a_path_that_workers_do_not_see(scheduler: Scheduler, tmp_path: Path) -> None:
    """A file that is there for this process only is said to be missing for the worker."""
    (tmp_path / "g.npz").touch()
    task = errands.Refuse(str(tmp_path / "g.npz"))
    with Cluster(scheduler) as workers:
        with pytest.raises(InputError, match=r"g\.npz: no such file") as error:
            list(workers.map(task.refuse, [1], LARGE))
        real = scheduler.send
        scheduler.send = lambda order, only: Blind(real(order, only), task.path)  # type: ignore[method-assign]
        with pytest.raises(InputError, match=r"g\.npz: worker one does not see it; give a path that all workers share"):
            list(workers.map(task.refuse, [1], LARGE))
    assert error.value.path == task.path


class Blind:
    """An order of a worker that sees no file."""

    def __init__(self, pending: object, path: str) -> None:
        self._pending, self._path = pending, path

    def answer(self, seconds: float) -> Answer:
        """Say that a path is not there."""
        found: Answer = self._pending.answer(seconds)  # type: ignore[attr-defined]
        return found._replace(worker="one", unseen=self._path)
