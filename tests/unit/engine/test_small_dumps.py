"""Small dumps are measured a batch at a time, and large ones piece by piece."""

import pickle
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from gradclip_cli.engine import small_dumps
from gradclip_cli.engine.executors import Threads
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.small_dumps import BatchTask, measure_each
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.errors import InputError
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.numerics.measuring import measure_alike
from gradclip_cli.numerics.workspace import Workspace

SUMS = (2.0,)


def written(folder: Path, count: int, width: int = 3) -> list[DumpSource]:
    """Write dumps of two small tensors: all elements of dump k are k + 1 and -2 (k + 1)."""
    found = []
    for k in range(count):
        value = np.float32(k + 1)
        save_file({"a": np.full((2, width), value), "b": np.full(5, -2 * value)}, folder / f"step_{k}.safetensors")
        found.append(single(str(folder / f"step_{k}.safetensors")))
    return found


def batch(sources: Sequence[DumpSource], selection: Selection | None = None) -> list[Any]:
    """Measure sources as one batch."""
    return BatchTask(selection or Selection(), SUMS, Workspace()).measure(sources)


def squares(dump: MeasuredDump) -> float:
    """The sum of the squares of all elements."""
    return dump.stats.total(SUMS).sums[0][1]


def test_dumps_with_one_header_are_measured_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has its own figures: 6 (k + 1)^2 + 5 · 4 (k + 1)^2; they share their tensors, layers and names."""
    calls = Counter[int]()
    real = measure_alike

    def counting(raws: Any, *args: Any) -> Any:
        calls[len(raws)] += 1
        return real(raws, *args)

    monkeypatch.setattr(small_dumps, "measure_alike", counting)
    dumps = [dump for (dump,) in batch(written(tmp_path, 9))]
    assert [squares(dump) for dump in dumps] == [26 * (k + 1) ** 2 for k in range(9)]
    assert [dump.stats.overall.max_abs for dump in dumps] == [2 * (k + 1) for k in range(9)]
    assert calls == {9: 1}
    assert {id(dump.tensors) for dump in dumps} == {id(dumps[0].tensors)}
    assert {id(dump.places) for dump in dumps} == {id(dumps[0].places)}


@pytest.mark.parametrize("full", [(), (1,), (0, 2)])
def test_dumps_without_elements(full: Sequence[int], tmp_path: Path) -> None:
    """Dumps of empty tensors only, among others or not, have a norm of 0, as ordinary samples have."""
    sources = written(tmp_path, 3)
    for k in set(range(3)).difference(full):
        save_file({"a": np.zeros((2, 0), np.float32), "b": np.zeros(0, np.float32)}, sources[k].location)
    dumps = [dump for (dump,) in batch(sources)]
    assert [squares(dump) for dump in dumps] == [26 * (k + 1) ** 2 if k in full else 0 for k in range(3)]
    assert [dump.stats.overall.max_abs for dump in dumps] == [2 * (k + 1) if k in full else 0 for k in range(3)]


def test_no_more_are_measured_at_once_than_stay_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has no room waits for the next time."""
    monkeypatch.setattr(small_dumps, "_TOGETHER", 100)
    assert [squares(dump) for (dump,) in batch(written(tmp_path, 5))] == [26, 104, 234, 416, 650]


def test_another_header_or_loss_scale_is_measured_apart(tmp_path: Path) -> None:
    """Figures are of the dump that they stand beside."""
    sources = written(tmp_path, 4)
    save_file({"a": np.full((2, 3), np.float32(10)), "b": np.full(4, np.float32(1))}, sources[1].location)
    for k, scale in ((2, 2), (3, 4)):
        values = {"a": np.full((2, 3), np.float32(scale)), "b": np.zeros(5, np.float32)}
        save_file(values, sources[k].location, {"scale": str(scale)})
    for source in sources[:2]:
        save_file(load_file(source.location), source.location, {"scale": "1"})
    dumps = [dump for (dump,) in batch(sources, Selection(unscale="scale"))]
    assert [dump.stats.total(SUMS).norm(0, 2.0) ** 2 for dump in dumps] == pytest.approx([26, 604, 6, 6])
    assert [dump.stats.scale for dump in dumps] == [1, 1, 2, 4]


def test_the_first_nonfinite_element_is_known(tmp_path: Path) -> None:
    """Of a dump among others it is known as if it were alone."""
    sources = written(tmp_path, 4)
    values = np.array([[1, 2, 3], [4, np.inf, np.nan]], np.float32)
    save_file({"a": values, "b": np.ones(5, np.float32)}, sources[2].location)
    dumps = [dump for (dump,) in batch(sources)]
    assert [[(one.name, one.kind, one.place) for one in dump.nonfinite] for dump in dumps] == [
        [],
        [],
        [("a", "+Inf", (1, 1))],
        [],
    ]


def test_an_error_is_the_result_of_its_source(tmp_path: Path) -> None:
    """The others of the batch have theirs."""
    sources = written(tmp_path, 4)
    Path(sources[1].location).write_bytes(b"no dump")
    Path(sources[2].location).unlink()
    found = batch(sources)
    assert [type(one) for one in found] == [list, InputError, InputError, list]
    assert [one.path for one in found[1:3]] == [source.location for source in sources[1:3]]


def test_results_are_small_values(tmp_path: Path) -> None:
    """A batch is sent in 1.5 KB a dump at most, since equal lists are one object, and so they are after it."""
    task = BatchTask(Selection(), SUMS, Workspace())
    found = pickle.loads(pickle.dumps(task)).measure(written(tmp_path, 50))
    sent = pickle.dumps(found)
    assert len(sent) < 50 * 1500
    dumps = [dump for (dump,) in pickle.loads(sent)]
    assert [squares(dump) for dump in dumps] == [26 * (k + 1) ** 2 for k in range(50)]
    assert {id(dump.tensors) for dump in dumps} == {id(dumps[0].tensors)}


class Recorder:
    """An executor that records its maps: the tasks, and that none begins before the one before has ended."""

    jobs = 2

    def __init__(self, leaves: bool = False) -> None:
        self.work, self.tasks, self.under_way, self._leaves = Workspace(), list[str](), 0, leaves

    def map(self, task: Callable[[Any], Any], items: Iterable[Any], nbytes: int = 0) -> Iterator[Any]:
        """Yield `task(item)` for each item."""
        assert not self.under_way
        self.under_way += 1
        self.tasks.append(type(task.__self__).__name__)  # type: ignore[attr-defined]
        yield from map(task, items)
        self.under_way -= 1

    def leaves(self, nbytes: int) -> bool:
        """Return what is asked for."""
        return self._leaves


def measured(sources: Sequence[DumpSource], workers: Any, progress: Any = None) -> list[float]:
    """Measure a series, and return the sums of squares."""
    run = Run(Selection(), workers, progress) if progress else Run(Selection(), workers)
    return [squares(dump) for measure in measure_each(sources, SUMS, run) for dump in measure()]


def test_small_dumps_stay_where_sending_does_not_pay(tmp_path: Path) -> None:
    """They are measured in this thread, as the first is, unless batches go to other processes, or suit threads."""
    sources, expected = written(tmp_path, 10), [26 * (k + 1) ** 2 for k in range(10)]
    here, away = Recorder(), Recorder(leaves=True)
    assert (measured(sources, here), here.tasks) == (expected, ["MeasureTask"])
    assert (measured(sources, away), away.tasks) == (expected, ["MeasureTask", "BatchTask"])


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs /dev/fd")
def test_open_files_are_read_here(tmp_path: Path) -> None:
    """The number of a descriptor means another file, or none, in another process."""
    files = [open(source.location, "rb") for source in written(tmp_path, 4)]  # noqa: SIM115 - several at once
    workers = Recorder(leaves=True)
    assert measured([single(f"/dev/fd/{file.fileno()}") for file in files], workers) == [26, 104, 234, 416]
    assert workers.tasks == ["MeasureTask"] * 4
    for file in files:
        file.close()


def test_dumps_of_many_tensors_are_no_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known of each would fill the memory; the first dump shows how many there are."""
    monkeypatch.setattr(small_dumps, "_MOST_TENSORS", 1)
    workers = Recorder(leaves=True)
    assert measured(written(tmp_path, 4), workers) == [26, 104, 234, 416]
    assert workers.tasks == ["MeasureTask"] * 4


def test_large_dumps_are_split_into_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They end a run of small ones, the first of which is measured here, and no map begins inside another."""
    sources = written(tmp_path, 7)
    large = np.ones((3, 1000), np.float32)
    save_file({"a": large, "b": large[0]}, sources[3].location)
    monkeypatch.setattr(small_dumps, "PIECE_BYTES", 1000)
    monkeypatch.setattr(small_dumps, "_TASK_BYTES", 2000)
    workers = Recorder(leaves=True)
    assert measured(sources, workers) == [26, 104, 234, 4000, 650, 936, 1274]
    assert workers.tasks == ["MeasureTask", "BatchTask", "MeasureTask", "MeasureTask", "BatchTask"]


def test_a_few_dumps_of_several_pieces_are_split(tmp_path: Path) -> None:
    """Where there are too few of them for all processors, each is worked on by all; where there are many, each is a task."""
    few = written(tmp_path, 3, width=300_000)
    workers = Recorder(leaves=True)
    measured(few, workers)
    assert workers.tasks == ["MeasureTask"] * 3
    measured(few * 3, many := Recorder(leaves=True))
    assert many.tasks == ["MeasureTask", "BatchTask"]


def test_progress_counts_what_is_read(tmp_path: Path) -> None:
    """Each file has as many bytes as its gradients, whether it is measured with others or not."""
    done = Counter[str]()
    sources = written(tmp_path, 6)
    save_file({"a": np.ones(70_000, np.float32)}, sources[2].location)
    with Threads(2) as workers:
        measured(sources, workers, lambda count, path: done.update({path: count}))
    expected = {source.location: 44 for source in sources} | {sources[2].location: 280_000}
    assert done == expected


def test_a_dump_without_gradients_has_none(tmp_path: Path) -> None:
    """Integers count in no figure, also where all dumps of a batch have nothing else."""
    for k in range(3):
        save_file({"n": np.arange(3)}, tmp_path / f"step_{k}.safetensors")
    found = batch([single(str(tmp_path / f"step_{k}.safetensors")) for k in range(3)])
    assert [len(dump.stats) for (dump,) in found] == [0, 0, 0]
