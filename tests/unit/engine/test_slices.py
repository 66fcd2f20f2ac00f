"""Slices along axis 0 are measured each for itself, whatever is read at once, and by whom."""

import math
import pickle

import numpy as np
import pytest
from support.tensors import gradients, stats_of

from gradclip_cli.engine.executors.threads import Threads
from gradclip_cli.engine.slices import SliceTask, Steps, measure_tensors
from gradclip_cli.numerics import dtypes
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.numerics.norms import BLOCK
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.tensors import Piece, TensorSpec

TYPES = (0.5, 1.0, 2.0, math.inf)
ROWS = 3
ARRAYS = [gradients(ROWS * size, seed=size).reshape(ROWS, size) for size in (5, 1, 2 * BLOCK + 1, 0, BLOCK, 70 * BLOCK)]
DATA = b"".join(array.tobytes() for array in ARRAYS)


def read(spec: TensorSpec, start: int, out: Raw) -> None:
    """Read from memory; the name of a tensor is its position there."""
    out[:] = np.frombuffer(DATA, np.uint8, out.size, int(spec.name) + start * 4)


def specs(encoded: bool) -> list[TensorSpec]:
    """Describe the tensors; encoded ones have no offset."""
    starts = np.cumsum([0, *(array.nbytes for array in ARRAYS)]).tolist()
    return [
        TensorSpec(str(at), dtypes.FLOAT32, array.shape, None if encoded else at)
        for at, array in zip(starts, ARRAYS, strict=False)
    ]


@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize("jobs", [1, 3])
def test_every_slice_is_measured_by_index(jobs: int, encoded: bool) -> None:
    """Slices of less than a block, of one, of more and of none are measured as if alone, and those not wanted are not."""
    found = specs(encoded)
    with Threads(jobs) as workers:
        task = SliceTask(found, read, TYPES, workers.work)
        table = measure_tensors([0, 2, 3, 4, 5], ROWS, task, workers)
    for row in range(ROWS):
        expected = {k: stats_of(ARRAYS[k][row], dtypes.FLOAT32, TYPES) for k in (0, 2, 3, 4, 5)}
        assert table.of(row) == expected


def test_a_task_can_be_pickled() -> None:
    """Another process measures the same slices."""
    task = pickle.loads(pickle.dumps(SliceTask(specs(False), read, TYPES, Workspace())))
    piece = Piece(0, 1, 5, 15)
    (found,), _ = task.measure(piece)
    (same,), _ = SliceTask(specs(False), read, TYPES, Workspace()).measure(piece)
    assert found.first == same.first == 1
    assert found.rows is not None
    assert same.rows is not None
    assert all(map(np.array_equal, found.rows, same.rows))


def test_steps_that_do_not_ascend_are_said() -> None:
    """A note names where steps come from unless each is after the one before; numbers of slices always are."""
    assert Steps(range(4)).notes("f") == Steps([1, 5, 9], "step").notes("f") == []
    for numbers in ([1, 2, 2], [3, 1, 2]):
        (note,) = Steps(numbers, "a/step").notes("run.h5")
        assert note.text.startswith("run.h5: the steps in a/step do not ascend")
        assert note.changes_figures
