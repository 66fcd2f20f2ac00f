"""Small dumps are measured a batch at a time, and large ones piece by piece."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from gradclip_cli.engine import small_dumps
from gradclip_cli.engine.executors.base import OneByOne
from gradclip_cli.engine.executors.threads import Threads
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.small_dumps import measure_each
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.numerics.workspace import Workspace
from unit.engine.made import SUMS, squares, written


class Recorder(OneByOne):
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
