"""What an executor gets can be pickled: another process measures, rewrites and compares with the same bits."""

import multiprocessing
import os
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from support.official import save
from support.tensors import gradients

from gradclip_cli.engine import compare, compare_ranks, compared_dump
from gradclip_cli.engine.executors.base import Executor, OneByOne
from gradclip_cli.engine.executors.progress import silent
from gradclip_cli.engine.executors.sending import packed, unpacked
from gradclip_cli.engine.executors.threads import Threads
from gradclip_cli.engine.measure import PieceObserver, together
from gradclip_cli.engine.rewrite import Rewriter, RewriteTask
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.survey import measure_dump
from gradclip_cli.engine.tensor_counts import TensorCounts
from gradclip_cli.formats import FORMATS, by_name
from gradclip_cli.formats.base import Format, Reader
from gradclip_cli.formats.sharing import one_call
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.inputs.opened import OpenDump
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.numerics.differences import Tolerance
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.numerics.first_nonfinite import Nonfinite
from gradclip_cli.numerics.norms import ClippedSum, SumKinds
from gradclip_cli.numerics.statistics import PieceStats
from gradclip_cli.numerics.statistics_arrays import StatsArrays
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.strategies.actions import Clamp, Scale, ZeroNonfinite
from gradclip_cli.tensors import Piece

Item = TypeVar("Item")
Result = TypeVar("Result")
Arrays = Mapping[str, NDArray[Any]]

SUMS: SumKinds = (2.0, 1.0, ClippedSum(0.25, squared=True))
ARRAYS: Arrays = {
    "large": gradients(600_000),  # more than is read at once
    "matrix": gradients(3000, "float64", seed=1).reshape(30, 100),
    "nan": np.array([1, np.nan, -np.inf, 4], np.float32),
    **{f"small{k}": gradients(50, seed=k) for k in range(5)},
}


class Pickles(OneByOne):
    """Works on items one by one in this process; tasks, items and results go as values, and descriptors as duplicates."""

    jobs = 1

    def __init__(self) -> None:
        self.work = Workspace()

    def leaves(self, nbytes: int) -> bool:
        """Return True."""
        return True

    def map(self, task: Callable[[Item], Result], items: Iterable[Item], nbytes: int = 0) -> Iterator[Result]:
        """Yield the result of a copy of the task for a copy of each item."""
        copy = _copied(task)
        yield from (_copied(copy(_copied(item))) for item in items)


class Processes(OneByOne):
    """Works on items in processes that share nothing with this one."""

    jobs = 1

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self.work, self._pool = Workspace(), pool

    def leaves(self, nbytes: int) -> bool:
        """Return True."""
        return True

    def map(self, task: Callable[[Item], Result], items: Iterable[Item], nbytes: int = 0) -> Iterator[Result]:
        """Yield what the processes hand back; each of them unpickles the task once."""
        yield from self._pool.map(partial(_do, pickle.dumps(task)), items)


def _do(task: bytes, item: Any) -> Any:
    return _unpickled(task)(item)


@lru_cache(1)
def _unpickled(task: bytes) -> Any:
    return pickle.loads(task)


def _copied(value: Any) -> Any:
    sent = packed(value)
    return unpacked(sent._replace(fds=[os.dup(fd) for fd in sent.fds]))


@pytest.fixture(autouse=True)
def _one_call() -> Iterator[None]:
    """Let the child that reads HDF5 end with the test."""
    with one_call():
        yield


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    """Provide one process that is started afresh, not forked."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.fixture(params=["pickles", "processes"])
def elsewhere(request: pytest.FixtureRequest) -> Executor:
    """Provide an executor whose tasks see no object of this process."""
    return Pickles() if request.param == "pickles" else Processes(request.getfixturevalue("pool"))


def _packed_npz(folder: Path) -> Path:
    np.savez_compressed(folder / "g.npz", **ARRAYS)  # type: ignore[arg-type]
    return folder / "g.npz"


def _packed_hdf5(folder: Path) -> Path:
    with h5py.File(folder / "g.h5", "w") as file:
        for name, array in ARRAYS.items():
            file.create_dataset(name, data=array, compression="gzip", shuffle=True)
    return folder / "g.h5"


MAKERS: dict[str, Callable[[Path], Path]] = {
    **{name: lambda folder, name=name: save(folder, name, ARRAYS) for name in FORMATS},  # type: ignore[misc]
    "packed npz": _packed_npz,
    "packed hdf5": _packed_hdf5,
}


@pytest.fixture(params=MAKERS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Provide a dump of each format, and of each way in which a format keeps elements."""
    return MAKERS[request.param](tmp_path)


def measured(path: Path, workers: Executor) -> dict[str, object]:
    """Measure a dump, and find where it is not finite; the progress cannot be pickled."""
    run = Run(Selection(), workers, lambda count, path: None)
    dump = measure_dump(single(str(path)), SUMS, run)
    return {**{dump.tensors[index].name: stats for index, stats in dump.stats.items()}, "first": dump.nonfinite}


def rewritten(path: Path, workers: Executor) -> tuple[dict[int, object], dict[int, int]]:
    """Scale, clamp and clean tensors without an output."""
    actions = {k: (Scale(1.0, 3.0), Clamp(0.5), ZeroNonfinite(Scale(2.0, 3.0)))[k % 3] for k in range(len(ARRAYS))}
    with OpenDump(single(str(path)), Selection()) as dump:
        (opened,) = dump.all()
        found = Rewriter(opened.portable, None, -1, "", actions, (2.0, 1.0), workers, lambda count, path: None).run()
    return dict(found.stats), found.clipped


def compared(a: Path, b: Path, workers: Executor) -> dict[str, object]:
    """Compare two dumps by name, and measure what is in the first alone."""
    run = Run(Selection(), workers, lambda count, path: None)
    with compared_dump.opened(single(str(a)), run) as left, compared_dump.opened(single(str(b)), run) as right:
        found = compare.compare(left.tensors, right.tensors, Tolerance(1e-3, 0.0), workers, run.progress)
        return {**found, **compare_ranks.uncompared_norms(left, found, run)}


def test_measuring(path: Path, elsewhere: Executor) -> None:
    """Statistics that another process takes are those of this one."""
    found = measured(path, elsewhere)
    assert found == measured(path, Threads(1))
    assert found.keys() == {*ARRAYS, "first"}
    assert found["first"] == [Nonfinite("nan", 1, 0, 1, 4, "NaN", (1,))]


def test_rewriting(path: Path, elsewhere: Executor) -> None:
    """What another process finds after every kind of action is what this one finds."""
    found = rewritten(path, elsewhere)
    assert found == rewritten(path, Threads(1))
    assert len(found[0]) == len(ARRAYS)
    assert found[1]


def test_comparing(path: Path, elsewhere: Executor, tmp_path: Path) -> None:
    """Differences from a dump that has one matrix in column-major order are the same elsewhere."""
    (tmp_path / "other").mkdir()
    changed = {name: array * array.dtype.type(1.01) for name, array in ARRAYS.items() if name != "small1"}
    changed["matrix"] = np.asfortranarray(changed["matrix"])
    np.savez(tmp_path / "other" / "b.npz", **changed)
    found = compared(path, tmp_path / "other" / "b.npz", elsewhere)
    assert repr(found) == repr(compared(path, tmp_path / "other" / "b.npz", Threads(1)))
    assert found.keys() == ARRAYS.keys()


def test_progress_stays_here(tmp_path: Path) -> None:
    """What another process reads is told to nobody; in this process it is."""
    path, told = save(tmp_path, "safetensors", ARRAYS), list[int]()
    for workers in (Pickles(), Threads(1)):
        assert told == []
        measure_dump(single(str(path)), SUMS, Run(Selection(), workers, lambda count, path: told.append(count)))
    assert sum(told) == sum(array.nbytes for array in ARRAYS.values())


class Largest(NamedTuple):
    """Finds the largest element in pieces; says nothing of those with `least` or less."""

    least: float

    def see(self, piece: Piece, raw: Raw, stats: PieceStats | StatsArrays) -> float | None:
        """Return the largest magnitude in a piece, if it is large enough."""
        largest = stats.max_abs if isinstance(stats, PieceStats) else float(stats.floats[:, 0].max())
        return largest if largest > self.least else None


@pytest.mark.parametrize("workers", [Pickles(), Threads(1)], ids=["elsewhere", "here"])
def test_what_is_found_is_taken_here(workers: Executor, tmp_path: Path) -> None:
    """Findings of each observer come in the order of the pieces, each with its own; where nothing is found, nothing is taken."""
    arrays = {"a": np.full(600_000, 7, np.float32), "b": np.full(20_000, 2, np.float32), "c": np.ones(2, np.float32)}
    path, taken = save(tmp_path, "safetensors", arrays), list[tuple[int, int, float]]()

    def take(least: int, piece: Piece, found: float) -> None:
        taken.append((least, piece.index, found))

    def observer_for(format: Format, reader: Reader) -> PieceObserver | None:
        every, some = (PieceObserver(Largest(least).see, partial(take, least)) for least in (1, 3))
        return together([every, None, some])

    measure_dump(single(str(path)), SUMS, Run(Selection(), workers), observer_for)
    assert taken == [(1, 0, 7.0), (3, 0, 7.0), (1, 0, 7.0), (3, 0, 7.0), (1, 1, 2.0)]


def test_an_observer_that_cannot_be_sent_is_not_dropped(tmp_path: Path) -> None:
    """The counts of `show` stay in the process that began them, and so does the task."""
    path = save(tmp_path, "safetensors", ARRAYS)
    counts = TensorCounts([], Workspace())
    with pytest.raises(TypeError, match="stay in the process"):
        measure_dump(single(str(path)), SUMS, Run(Selection(), Pickles()), counts.observer_for)


def test_a_task_that_writes_goes_with_its_file(tmp_path: Path) -> None:
    """A task that writes to an output cannot be pickled alone; with the descriptor of the output it can be sent."""
    path = save(tmp_path, "safetensors", ARRAYS)
    with OpenDump(single(str(path)), Selection()) as dump, (tmp_path / "out").open("w+b") as out:
        (opened,) = dump.all()
        writer = by_name("npz").convert(opened.reader.tensors, out.fileno(), "out")
        task = RewriteTask(
            opened.portable, opened.reader.tensors, writer.tensors, writer, {}, (2.0,), Workspace(), silent
        )
        with pytest.raises(TypeError, match="together with its descriptor"):
            pickle.dumps(task)
        assert list(packed(task).fds) == [out.fileno()]
        writer.close()


def test_what_is_packed_is_written_here(tmp_path: Path) -> None:
    """A task that writes deflated arrays cannot be sent away."""
    path = _packed_npz(tmp_path)
    with OpenDump(single(str(path)), Selection()) as dump, (tmp_path / "out").open("w+b") as out:
        (opened,) = dump.all()
        writer = by_name("npz").rewrite(opened.reader, [0], out.fileno(), "out")
        task = RewriteTask(
            opened.portable, opened.reader.tensors, writer.tensors, writer, {}, (2.0,), Workspace(), silent
        )
        with pytest.raises(TypeError, match="is packed is written by the process"):
            packed(task)
        writer.close()
