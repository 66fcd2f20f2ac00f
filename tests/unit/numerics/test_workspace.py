"""Arrays that are used again: each thread has its own, nothing is read after its lifetime, and nothing outlives a run."""

import gc
import io
import math
import pickle
import threading
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.matrices import crossed
from support.official import save_npz, save_safetensors
from support.tensors import gradients, raw_of

import gradclip_cli
from gradclip_cli.engine.executors import threads
from gradclip_cli.numerics import dtypes, transforms
from gradclip_cli.numerics.comparison import compare_piece
from gradclip_cli.numerics.differences import Tolerance
from gradclip_cli.numerics.dtypes import DType, Raw
from gradclip_cli.numerics.measuring import measure_piece, measure_small
from gradclip_cli.numerics.norms import BLOCK, ClippedSum, SumKinds
from gradclip_cli.numerics.transforms import clamp, scale, scale_each, zero_nonfinite
from gradclip_cli.numerics.workspace import Buffer, T, Workspace
from gradclip_cli.render import json_report
from gradclip_cli.render.view import View
from gradclip_cli.reports.base import Report

TYPES: SumKinds = (1.0, 2.0, 3.0, math.inf, ClippedSum(0.25, squared=False), ClippedSum(0.25, squared=True))
SIZES = [7, 7, 7, 0, 1, 100, 100, BLOCK, 3]
EVERY = [*dtypes.FLOATS, *(dtypes.swapped(dtype) for dtype in dtypes.FLOATS if dtype.itemsize > 1)]


class PoisonedBuffer(Buffer):
    """A buffer that makes NaN of what was taken from it before, and of what it hands out."""

    __slots__ = ()

    def take(self, count: int, dtype: type[T]) -> NDArray[T]:
        """Fill the memory with ones, which are a NaN of any float and no index into any table."""
        self._memory.view(np.uint8).fill(0xFF)
        found = super().take(count, dtype)
        self._memory.view(np.uint8).fill(0xFF)
        return found


class Poisoned(Workspace):
    """A workspace in which a value that is read after its lifetime, or before it is written, is noticed."""

    buffer = PoisonedBuffer


def changed(raw: Raw, change: Callable[[Raw], object]) -> tuple[object, bytes]:
    """Change a copy; return what the change returns, and the elements."""
    copy = raw.copy()
    return change(copy), copy.tobytes()


def steps(raw: Raw, other: Raw, dtype: DType, work: Workspace) -> Iterator[Any]:
    """Do everything that is done to elements; yield what comes out."""
    yield measure_piece(raw, dtype, TYPES, work)
    yield measure_piece(raw, dtype, (2.0,), work)
    yield measure_small(raw[: sum(SIZES) * dtype.itemsize], dtype, SIZES, TYPES, work)
    yield compare_piece(raw, other, (dtype, dtype), Tolerance(1e-3, 1e-6), work)
    yield compare_piece(raw, raw, (dtype, dtype), Tolerance(), work)
    yield changed(raw, lambda copy: scale(copy, dtype, 0.3, 0.3, 1.0, work))
    yield changed(raw, lambda copy: scale(copy, dtype, 0.0, 1e-300, 1e300, work))
    yield changed(
        raw, lambda copy: scale_each(copy, dtype, [0.3, 3.0], [BLOCK, raw.size // dtype.itemsize - BLOCK], work)
    )
    yield changed(raw, lambda copy: clamp(copy, dtype, 0.25, False, work))
    yield changed(raw, lambda copy: zero_nonfinite(copy, dtype, work))


@pytest.mark.parametrize(("dtype", "nonfinite"), crossed(EVERY, [False, True]))
def test_nothing_is_read_after_its_lifetime(dtype: DType, nonfinite: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays that are spoilt before every use give the results of fresh ones."""
    monkeypatch.setattr(transforms, "_TABLE_PAYS", (1 << 17) + 1)
    a, b = (gradients(17 * BLOCK + 5, dtype.name, seed=seed) for seed in (1, 2))
    if nonfinite:
        a[[3, BLOCK]] = np.nan
    x, y = (raw_of(side.view(f"u{dtype.itemsize}").byteswap() if dtype.swapped else side) for side in (a, b))
    poisoned = Poisoned()
    for found, again in zip(steps(x, y, dtype, poisoned), steps(x, y, dtype, poisoned), strict=True):
        np.testing.assert_equal(again, found)
    for found, expected in zip(steps(x, y, dtype, poisoned), steps(x, y, dtype, Workspace()), strict=True):
        np.testing.assert_equal(found, expected)


def test_a_value_that_is_read_too_late_is_noticed() -> None:
    """In a poisoned workspace what was taken before is NaN, in the fields that share one memory, too."""
    work = Poisoned()
    wide = dtypes.widen(np.ones(10, np.float32), work)
    assert wide.tolist() == [1.0] * 10
    work.is_zero.take(3, np.bool_)
    assert np.isnan(wide).all()


def test_what_is_alive_together_shares_no_memory() -> None:
    """Only the fields for what is needed one after the other are one buffer."""
    fields = vars(Workspace())
    shared = {"is_zero", "table_index", "widened"}
    assert len({id(fields[name]) for name in shared}) == 1
    assert fields["normal"] is fields["terms"]
    assert len({id(buffer) for buffer in fields.values()}) == len(fields) - len(shared) + 1 - 1


def test_a_buffer_grows_and_is_used_again() -> None:
    """Memory is used again for fewer elements and for other types, and replaced where it is too small."""
    buffer = Buffer()
    first = buffer.take(100, np.float64)
    assert np.shares_memory(buffer.take(200, np.float32), first)
    assert np.shares_memory(buffer.take(7, np.bool_), first)
    assert not np.shares_memory(buffer.take(101, np.float64), first)
    assert [buffer.take(count, np.uint8).size for count in (0, 1, 808)] == [0, 1, 808]


def test_threads_do_not_share_arrays() -> None:
    """Threads that measure at once in one workspace find what each would find alone."""
    raws = [raw_of(gradients(3 * BLOCK, "float16", seed=seed)) for seed in range(4)]
    expected = [measure_piece(raw, dtypes.FLOAT16, TYPES, Workspace()) for raw in raws]
    found: dict[int, list[Any]] = {}
    arrays: dict[int, NDArray[Any]] = {}
    work, together = Workspace(), threading.Barrier(4)

    def run(k: int) -> None:
        together.wait()
        found[k] = [measure_piece(raws[k], dtypes.FLOAT16, TYPES, work) for _ in range(20)]
        arrays[k] = work.widened.take(10, np.float64)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(4):
        np.testing.assert_equal(found[k], [expected[k]] * 20)
    assert not any(np.shares_memory(arrays[a], arrays[b]) for a in range(4) for b in range(a))


def test_memory_goes_with_the_workspace() -> None:
    """The arrays of all threads, of one that still runs as well, are freed with the workspace."""
    held = [Workspace()]
    kept, taken, done = [weakref.ref(held[0].raw.take(9, np.uint8).base)], threading.Event(), threading.Event()

    def run() -> None:
        kept.append(weakref.ref(held[0].raw.take(9, np.uint8).base))
        taken.set()
        done.wait()

    thread = threading.Thread(target=run)
    thread.start()
    taken.wait()
    alive = [one() is not None for one in kept]
    held.clear()
    gc.collect()
    left = [one() is not None for one in kept]
    done.set()
    thread.join()
    assert (alive, left) == ([True, True], [False, False])


def test_pickling_leaves_the_arrays_behind() -> None:
    """A task that is sent elsewhere brings an empty workspace of the same class."""
    work = Poisoned()
    work.raw.take(1 << 20, np.uint8)
    data = pickle.dumps(work)
    assert len(data) < 200
    assert type(pickle.loads(data)) is Poisoned
    assert pickle.loads(data).raw is not work.raw


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_run_leaves_no_memory_behind(jobs: int, tmp_path: Path) -> None:
    """After a call of the library its arrays are gone from the thread that called."""
    path, out = tmp_path / "large.safetensors", tmp_path / "out.safetensors"
    save_safetensors(path, {"w": gradients(3 << 20, "float16"), "v": gradients(3 << 20)})

    def run() -> None:
        gradclip_cli.stats(path, jobs=jobs)
        gradclip_cli.apply(path, out, strategy="clip-by-global-norm", threshold=1e-3, jobs=jobs, overwrite=True)
        gradclip_cli.diff(path, out, jobs=jobs)
        gradclip_cli.check(path, jobs=jobs)

    run()  # what is imported, and tables of the values of dtypes, stay
    gc.collect()
    tracemalloc.start()
    try:
        run()
        gc.collect()
        left, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak > 4 << 20
    assert left < 1 << 18


def text_of(report: Report) -> str:
    """Return a report as JSON."""
    text = io.StringIO()
    json_report.write(report, text, View())
    return text.getvalue()


def reports(path: Path, folder: Path, jobs: int) -> Iterator[object]:
    """Run all commands on a dump; yield what they say and write."""
    outputs = folder / "scaled.safetensors", folder / "clipped.npz"
    for out, strategy in zip(outputs, ("clip-by-norm", "clip-by-value"), strict=True):
        yield text_of(gradclip_cli.apply(path, out, strategy=strategy, threshold=1, jobs=jobs, overwrite=True))
        yield out.read_bytes()
    yield text_of(gradclip_cli.stats(path, norm_type=1, jobs=jobs))
    yield text_of(gradclip_cli.diff(path, outputs[0], jobs=jobs))
    yield text_of(gradclip_cli.check([path, outputs[0]], jobs=jobs))


@pytest.mark.parametrize("jobs", [1, 2])
def test_commands_read_nothing_after_its_lifetime(jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole commands find the same in spoilt arrays: pieces, small tensors side by side, and column-major ones."""
    arrays: dict[str, NDArray[Any]] = {f"small{k}.w": gradients(1 + k % 7, seed=k) for k in range(9)}
    arrays["large.w"] = gradients(600_000, seed=10)
    arrays["turned.w"] = np.asfortranarray(gradients(6000, "float64", seed=11).reshape(3, 40, 50))
    arrays["half.w"] = gradients(40_000, "float16", seed=12)
    arrays["other.w"] = gradients(40_000, seed=13).astype(">f4")
    path = tmp_path / "a.npz"
    save_npz(path, arrays)
    expected = list(reports(path, tmp_path, jobs))
    monkeypatch.setattr(threads, "Workspace", Poisoned)
    assert list(reports(path, tmp_path, jobs)) == expected
