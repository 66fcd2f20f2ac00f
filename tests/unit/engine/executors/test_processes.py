"""Worker processes yield what threads yield, whatever becomes of them, and none of them is left behind."""

import gc
import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.matrices import heavy

from gradclip_cli.engine.executors import processes as module
from gradclip_cli.engine.executors.processes import Processes
from gradclip_cli.engine.executors.worker import Worker
from gradclip_cli.errors import InputError, OutputError
from gradclip_cli.storage.descriptor import Descriptor
from gradclip_cli.storage.interrupts import cleanups
from unit.engine.executors import errands

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


@contextmanager
def three(forked: bool) -> Iterator[Processes]:
    """Start three workers when they are needed; in the end none is left, nor a descriptor of theirs."""
    gc.collect()
    before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    with Processes(3, forked=forked) as workers:
        yield workers
        pids = [worker.pid for worker in workers._workers]
    assert workers._workers == []
    assert not [pid for pid in pids if exists(pid)]
    assert workers._kill not in cleanups
    if sys.platform == "linux":
        assert len(os.listdir("/proc/self/fd")) <= before


@pytest.fixture
def workers() -> Iterator[Processes]:
    """Workers that are forked where that can be, which is faster."""
    with three(sys.platform == "linux") as workers:
        yield workers


@pytest.fixture(params=[pytest.param(False, marks=heavy), pytest.param(True, marks=linux)], ids=["spawned", "forked"])
def either(request: pytest.FixtureRequest) -> Iterator[Processes]:
    """Workers that are started in either way."""
    with three(request.param) as workers:
        yield workers


def exists(pid: int) -> bool:
    """Whether there is a process, a dead one that nobody has waited for included."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_results_come_in_order(either: Processes) -> None:
    """Results are in the order of the items, none lost, map after map, and the same processes do them."""
    for count in (0, 1, 2, 5, 1000):
        assert list(either.map(errands.square, range(count), 1)) == [k * k for k in range(count)]
    first = set(either.map(errands.process, range(100), 1))
    assert os.getpid() not in first
    assert len(first) > 1
    assert set(either.map(errands.process, range(100), 1)) <= {worker.pid for worker in either._workers}


@heavy
def test_what_is_small_stays_here(workers: Processes) -> None:
    """Without bytes to go through, and for a single item, no process is started."""
    assert set(workers.map(errands.process, range(10))) == {os.getpid()}
    assert set(workers.map(errands.process, [0], 1 << 30)) == {os.getpid()}
    assert workers._workers == []


def test_items_are_taken_lazily(workers: Processes) -> None:
    """An endless series of items is worked on a few batches ahead."""
    taken = itertools.count()
    with closing(workers.map(errands.square, taken, 1)) as results:  # type: ignore[type-var]
        assert [next(results) for _ in range(100)] == [k * k for k in range(100)]
    assert next(taken) < 100 + 3 * 4 * 8


def test_large_items_and_results(either: Processes) -> None:
    """Messages larger than what the system keeps between two processes block neither of them."""
    items = [bytes(900_000)] * 30
    assert list(either.map(errands.length, items, 1)) == [900_000] * 30
    assert [found.size for found in either.map(errands.zeros, [200_000] * 30, 1)] == [200_000] * 30
    mixed = [bytes(1_000_000 if k % 3 == 0 else 10) for k in range(200)]
    assert list(either.map(errands.length, mixed, 1)) == list(map(len, mixed))


def test_progress_comes_back(either: Processes) -> None:
    """What tasks report elsewhere is reported here, by file."""
    told = {"a": 0, "b": 0}

    def progress(nbytes: int, path: str) -> None:
        told[path] += nbytes

    either._progress = progress
    list(either.map(errands.count_bytes, range(100), 1))
    assert told == {"a": 2500, "b": 2450}


def test_the_first_error_wins(either: Processes) -> None:
    """The error of the first item is raised, after the results before it, though another item fails earlier."""
    found = list[int]()
    with pytest.raises(InputError) as caught:
        found.extend(either.map(errands.fail_late, range(100), 1))
    assert str(caught.value) == "a.npz: w: the first; check the path, or save the file again"
    assert list(either.map(errands.square, range(20), 1)) == [k * k for k in range(20)]


@heavy
def test_results_before_an_error_come_first(workers: Processes) -> None:
    """All results before the item that fails are yielded."""
    results = workers.map(errands.fail_late, range(100), 1)
    found = list(itertools.islice(results, 21))
    with pytest.raises(InputError, match="the first"):
        next(results)
    assert found == list(range(21))


@heavy
def test_a_bug_keeps_its_traceback(workers: Processes) -> None:
    """An unexpected error is raised as it is, and says where it was."""
    with pytest.raises(ZeroDivisionError) as caught:
        list(workers.map(errands.divide, range(5, -5, -1), 1))
    assert "errands.py" in caught.value.__notes__[0]


@pytest.mark.parametrize("task", [errands.odd, pytest.param(errands.unsendable, marks=heavy)])
def test_what_cannot_be_sent_back(task: Callable[[int], Any], workers: Processes) -> None:
    """An error or a result that cannot be pickled is one line here, not a silence."""
    with pytest.raises(RuntimeError, match="in a worker process: "):
        list(workers.map(task, range(10), 1))


def test_what_cannot_leave_stays(either: Processes) -> None:
    """A task that cannot be pickled, and one that cannot be unpickled there, are done on threads here."""
    lock = threading.Lock()
    assert list(either.map(lambda item: item if lock else 0, range(20), 1)) == list(range(20))
    assert either._workers == []
    assert list(either.map(errands.Picky().do, range(20), 1)) == [k * k for k in range(20)]
    assert list(either.map(errands.square, range(20), 1)) == [k * k for k in range(20)]
    assert either.notes == []


def test_a_worker_that_dies(either: Processes) -> None:
    """A killed worker is an error of the input in one line that says what to do; the next map has new either."""
    with pytest.raises(InputError) as caught:
        list(either.map(errands.die, range(100), 1))
    what = (
        "a worker process was killed by SIGKILL, perhaps for lack of memory; free memory, or use fewer with -j (-j 1)"
    )
    assert str(caught.value) == what
    assert list(either.map(errands.square, range(20), 1)) == [k * k for k in range(20)]


def test_a_worker_that_dies_while_it_writes(either: Processes, tmp_path: Path) -> None:
    """Where the task writes to a file, it is an error of the output."""
    with (tmp_path / "out").open("w+b") as file:
        written = either.map(errands.Writing(Descriptor(file.fileno())).write, range(20), 1)
        assert sum(written) == 20
        assert (tmp_path / "out").read_bytes() == b"x" * 20
        with pytest.raises(OutputError, match="killed by SIGKILL"):
            list(either.map(errands.Writing(Descriptor(file.fileno())).write, range(100), 1))


def test_a_worker_that_died_between_two_maps(workers: Processes) -> None:
    """A worker that was killed while it waited is no silence either."""
    list(workers.map(errands.square, range(20), 1))
    os.kill(workers._workers[1].pid, signal.SIGKILL)
    with pytest.raises(InputError, match="killed by SIGKILL"):
        list(workers.map(errands.slow, range(100), 1))


def test_signals_for_the_terminal_do_not_reach_a_worker(either: Processes) -> None:
    """Ctrl-C, a hang-up and SIGTERM are for this process; workers go on until it ends them."""
    results = either.map(errands.slow, range(60), 1)
    found = [next(results)]
    for worker in either._workers:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(worker.pid, number)
    assert [*found, *results] == list(range(60))


def test_a_map_that_is_left_ends_the_work(either: Processes, tmp_path: Path) -> None:
    """When the caller leaves a map, its tasks end at once."""
    noted = tmp_path / "noted"
    with closing(either.map(errands.Noting(str(noted)).note, itertools.count(), 1)) as results:  # type: ignore[type-var]
        next(results)
        pids = [worker.pid for worker in either._workers]
    assert not [pid for pid in pids if exists(pid)]
    size = noted.stat().st_size
    time.sleep(0.1)
    assert noted.stat().st_size == size


def test_a_map_that_is_forgotten_does_not_mix_with_the_next(workers: Processes) -> None:
    """Results of a map that was neither finished nor closed do not come among those of another."""
    forgotten = workers.map(errands.slow, range(1000), 1)
    assert next(forgotten) == 0
    assert list(workers.map(errands.square, range(50), 1)) == [k * k for k in range(50)]


@pytest.mark.parametrize("error", [KeyboardInterrupt, pytest.param(MemoryError, marks=heavy)])
def test_an_interrupt_of_the_caller(error: type[BaseException], workers: Processes) -> None:
    """An interrupt between two results ends all workers."""

    def items() -> Iterator[int]:
        yield from range(50)
        raise error

    with pytest.raises(error):
        list(workers.map(errands.slow, items(), 1))
    assert workers._workers == []


def test_the_handler_of_a_signal_kills_workers(workers: Processes) -> None:
    """What runs before a signal ends this process leaves no worker running."""
    results = workers.map(errands.slow, range(1000), 1)
    next(results)
    assert workers._kill in cleanups
    workers._kill()
    with pytest.raises(InputError, match="SIGKILL"):
        list(results)


@linux
def test_workers_have_nothing_of_ours_open(workers: Processes, tmp_path: Path) -> None:
    """A worker has its channel, the room that all share and nothing else open: no pipe stays open because of it."""
    with (tmp_path / "ours").open("w"):
        for found in workers.map(errands.fds, range(10), 1):
            assert sorted(found) == ["/dev/null", "/dev/null", "pipe", "pipe", "socket"]


def test_room_for_two_in_all(either: Processes, tmp_path: Path) -> None:
    """Over all processes, at most two tasks at a time hold much."""
    noted = tmp_path / "noted"
    assert list(either.map(errands.Noting(str(noted)).hold, range(60), 1)) == list(range(60))
    inside = most = 0
    for sign in noted.read_text(encoding="utf-8"):
        inside += 1 if sign == "+" else -1
        most = max(most, inside)
    assert (inside, most) == (0, 2)


@heavy
def test_more_items_may_need_more_workers(workers: Processes) -> None:
    """A map of two items starts two workers, and a longer one after it the rest."""
    assert list(workers.map(errands.square, range(2), 1)) == [0, 1]
    assert len(workers._workers) == 2
    assert list(workers.map(errands.square, range(30), 1)) == [k * k for k in range(30)]
    assert len(workers._workers) == 3


def _no_fork() -> int:
    raise BlockingIOError(11, "Resource temporarily unavailable")


def _no_pair() -> Any:
    raise OSError(24, "Too many open files")


@pytest.mark.parametrize(
    ("target", "broken", "forked", "why"),
    [
        ("os.fork", _no_fork, True, "resource temporarily unavailable"),
        ("os.posix_spawn", lambda *_, **__: _no_fork(), False, "resource temporarily unavailable"),
        ("socket.socketpair", _no_pair, True, "too many open files"),
        ("os.pipe", _no_pair, True, "too many open files"),
        ("sys.executable", "", False, "no Python is known"),
        ("sys.executable", "/bin/false", False, "they end at once"),
    ],
)
def test_where_none_can_be_started(
    target: str, broken: Any, forked: bool, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads do the work, one note says why, and nobody tries again."""
    monkeypatch.setattr(target, broken)
    with Processes(3, forked=forked) as workers:
        for _ in range(2):
            assert set(workers.map(errands.process, range(20), 1)) == {os.getpid()}
    (note,) = workers.notes
    assert note.kind == "processes"
    assert (
        note.text == f"no worker processes can be started: {why}; threads do the work, more slowly; -j 1 asks for none"
    )


def test_fewer_than_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system allows two processes, two do the work, without a note."""
    real, started = Worker, list[Worker]()

    def worker(forked: bool) -> Worker:
        if len(started) == 2:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        started.append(real(forked))
        return started[-1]

    monkeypatch.setattr(module, "Worker", worker)
    with Processes(5, forked=False) as workers:
        for _ in range(2):
            assert list(workers.map(errands.square, range(100), 1)) == [k * k for k in range(100)]
        assert len(workers._workers) == 2
    assert workers.notes == []


def test_threads_of_ours_end_before_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """What threads did before does not keep workers from being forked."""
    seen = list[int]()

    def may_fork() -> bool:
        seen.append(threading.active_count())
        return False

    monkeypatch.setattr(module, "_may_fork", may_fork)
    with Processes(3) as workers:
        before = threading.active_count()
        list(workers.map(errands.square, range(100)))
        assert threading.active_count() == before + 2
        list(workers.map(errands.square, range(100), 1))
    assert seen == [before]


def test_beside_other_threads_nothing_is_forked() -> None:
    """While another thread runs, workers are new Pythons."""
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        assert module._may_fork() is False
    finally:
        over.set()
        thread.join()
