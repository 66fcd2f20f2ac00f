"""The tensors of a file are measured each under its own index."""

import math

import numpy as np
import pytest
from support.tensors import gradients, stats_of

from gradclip_cli.engine.executors.threads import Threads
from gradclip_cli.engine.measure import measure
from gradclip_cli.numerics import dtypes
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.numerics.norms import BLOCK
from gradclip_cli.tensors import TensorSpec

TYPES = (0.5, 1.0, 2.0, 3.0, math.inf)


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_whole_file_is_measured_by_index(jobs: int) -> None:
    """Small, large and empty tensors of a file are measured each under its own index, by any number of threads."""
    arrays = [gradients(size, seed=size) for size in (5, 6, 2 * BLOCK + 1, 0, 9, 40 * BLOCK)]
    data, specs, at = b"".join(array.tobytes() for array in arrays), [], 0
    for k, array in enumerate(arrays):
        specs.append(TensorSpec(str(k), dtypes.FLOAT32, array.shape, at))
        at += array.nbytes

    def read(spec: TensorSpec, start: int, out: Raw) -> None:
        out[:] = np.frombuffer(data, np.uint8, out.size, spec.position(start))

    with Threads(jobs) as workers:
        found = measure(specs, [0, 1, 2, 3, 5], read, TYPES, workers)
    assert found == {k: stats_of(arrays[k], dtypes.FLOAT32, TYPES) for k in (0, 1, 2, 3, 5)}
