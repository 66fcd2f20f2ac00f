"""What an executor gets can be pickled: another process measures, rewrites and compares with the same bits."""

import multiprocessing
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from support.official import save
from support.tensors import gradients

from gradclip_cli.engine import compare, compare_ranks, compared_dump
from gradclip_cli.engine.executors import Executor, Threads
from gradclip_cli.engine.rewrite import Rewriter, RewriteTask
from gradclip_cli.engine.run import Run, silent
from gradclip_cli.engine.survey import measure_dump
from gradclip_cli.formats import FORMATS, by_name
from gradclip_cli.formats.sharing import one_call
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.inputs.opened import OpenDump
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.numerics.differences import Tolerance
from gradclip_cli.numerics.norms import ClippedSum, SumKinds
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.strategies.actions import Clamp, Scale, ZeroNonfinite

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


class Pickles:
    """Works on items one by one in this process; tasks, items and results go through a pickle."""

    jobs = 1

    def __init__(self) -> None:
        self.work = Workspace()

    def map(self, task: Callable[[Item], Result], items: Iterable[Item], nbytes: int = 0) -> Iterator[Result]:
        """Yield the result of a copy of the task for a copy of each item."""
        copy = _copied(task)
        yield from (_copied(copy(_copied(item))) for item in items)


class Processes:
    """Works on items in processes that share nothing with this one."""

    jobs = 1

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self.work, self._pool = Workspace(), pool

    def map(self, task: Callable[[Item], Result], items: Iterable[Item], nbytes: int = 0) -> Iterator[Result]:
        """Yield what the processes hand back; each of them unpickles the task once."""
        yield from self._pool.map(partial(_do, pickle.dumps(task)), items)


def _do(task: bytes, item: Any) -> Any:
    return _unpickled(task)(item)


@lru_cache(1)
def _unpickled(task: bytes) -> Any:
    return pickle.loads(task)


def _copied(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


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
    """Measure a dump; there is an observer that cannot be pickled, and so is the progress."""
    run = Run(Selection(), workers, lambda count, path: None)
    dump = measure_dump(single(str(path)), SUMS, run, lambda format, reader: lambda piece, raw, stats: None)
    return {dump.tensors[index].name: stats for index, stats in dump.stats.items()}


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
    assert found.keys() == ARRAYS.keys()


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


def test_progress_and_observers_stay_here(tmp_path: Path) -> None:
    """What another process reads is told to nobody; in this process it is."""
    path, told, seen = save(tmp_path, "safetensors", ARRAYS), list[int](), list[object]()

    def measure(workers: Executor) -> None:
        run = Run(Selection(), workers, lambda count, path: told.append(count))
        measure_dump(single(str(path)), SUMS, run, lambda format, reader: lambda piece, raw, stats: seen.append(piece))

    measure(Pickles())
    assert (told, seen) == ([], [])
    measure(Threads(1))
    assert sum(told) == sum(array.nbytes for array in ARRAYS.values())
    assert len(seen) == len(told)


def test_a_writer_stays_in_its_process(tmp_path: Path) -> None:
    """A task that writes to an output cannot be sent away."""
    path = save(tmp_path, "safetensors", ARRAYS)
    with OpenDump(single(str(path)), Selection()) as dump, (tmp_path / "out").open("w+b") as out:
        (opened,) = dump.all()
        writer = by_name("npz").convert(opened.reader.tensors, out.fileno(), "out")
        task = RewriteTask(opened.portable, writer, {}, (2.0,), Workspace(), silent)
        with pytest.raises(TypeError, match="a writer stays"):
            pickle.dumps(task)
        writer.close()
