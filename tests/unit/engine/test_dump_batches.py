"""Small dumps are measured a batch at a time, those with one header at once."""

import pickle
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from gradclip_cli.engine import dump_batches
from gradclip_cli.engine.dump_batches import BatchTask
from gradclip_cli.errors import InputError
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.numerics.measuring import measure_alike
from gradclip_cli.numerics.workspace import Workspace
from unit.engine.made import SUMS, squares, written


def batch(sources: Sequence[DumpSource], selection: Selection | None = None) -> list[Any]:
    """Measure sources as one batch."""
    return [found.dumps for found in BatchTask(selection or Selection(), SUMS, Workspace()).measure(sources)]


def test_dumps_with_one_header_are_measured_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has its own figures: 6 (k + 1)^2 + 5 · 4 (k + 1)^2; they share their tensors, layers and names."""
    calls = Counter[int]()
    real = measure_alike

    def counting(raws: Any, *args: Any) -> Any:
        calls[len(raws)] += 1
        return real(raws, *args)

    monkeypatch.setattr(dump_batches, "measure_alike", counting)
    dumps = [dump for (dump,) in batch(written(tmp_path, 9))]
    assert [squares(dump) for dump in dumps] == [26 * (k + 1) ** 2 for k in range(9)]
    assert [dump.stats.overall.max_abs for dump in dumps] == [2 * (k + 1) for k in range(9)]
    assert calls == {9: 1}
    assert {id(dump.tensors) for dump in dumps} == {id(dumps[0].tensors)}
    assert {id(dump.places) for dump in dumps} == {id(dumps[0].places)}


def test_no_more_are_measured_at_once_than_stay_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has no room waits for the next time."""
    monkeypatch.setattr(dump_batches, "_TOGETHER", 100)
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
    dumps = [dump for found in pickle.loads(sent) for dump in found.dumps]
    assert [squares(dump) for dump in dumps] == [26 * (k + 1) ** 2 for k in range(50)]
    assert {id(dump.tensors) for dump in dumps} == {id(dumps[0].tensors)}


def test_a_dump_without_gradients_has_none(tmp_path: Path) -> None:
    """Integers count in no figure, also where all dumps of a batch have nothing else."""
    for k in range(3):
        save_file({"n": np.arange(3)}, tmp_path / f"step_{k}.safetensors")
    found = batch([single(str(tmp_path / f"step_{k}.safetensors")) for k in range(3)])
    assert [len(dump.stats) for (dump,) in found] == [0, 0, 0]


@pytest.mark.parametrize("full", [(), (1,), (0, 2)])
def test_dumps_without_elements(full: Sequence[int], tmp_path: Path) -> None:
    """Dumps of empty tensors only, among others or not, have a norm of 0, as ordinary samples have."""
    sources = written(tmp_path, 3)
    for k in set(range(3)).difference(full):
        save_file({"a": np.zeros((2, 0), np.float32), "b": np.zeros(0, np.float32)}, sources[k].location)
    dumps = [dump for (dump,) in batch(sources)]
    assert [squares(dump) for dump in dumps] == [26 * (k + 1) ** 2 if k in full else 0 for k in range(3)]
    assert [dump.stats.overall.max_abs for dump in dumps] == [2 * (k + 1) if k in full else 0 for k in range(3)]
