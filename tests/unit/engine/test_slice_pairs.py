"""Slices of two tensors are compared in pairs, and each tensor is read in order."""

from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from support.tensors import gradients

from gradclip_cli.engine.executors.threads import Threads
from gradclip_cli.engine.slice_pairs import SlicePairs, SliceRun, same_slices
from gradclip_cli.formats.portable import PortableReader
from gradclip_cli.numerics import dtypes
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.numerics.norms import BLOCK
from gradclip_cli.tensors import TensorSpec


class InOrder:
    """A tensor in memory; if it is encoded, it can only be read from its start to its end."""

    def __init__(self, array: NDArray[np.float32], encoded: bool) -> None:
        self.array, self.encoded, self.at = array, encoded, 0

    def read(self, spec: TensorSpec, start: int, out: Raw) -> None:
        assert not self.encoded or start in (0, self.at)
        self.at = start + out.size // 4
        out[:] = np.frombuffer(self.array.tobytes(), np.uint8, out.size, start * 4)


def run_of(array: NDArray[np.float32], encoded: bool, first: int) -> SliceRun:
    """The slices of an array from `first` on."""
    file = cast(PortableReader, InOrder(array, encoded))
    return SliceRun(file, TensorSpec("w", dtypes.FLOAT32, array.shape, None if encoded else 0), first)


@pytest.mark.parametrize("encoded", [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("size", [1, 12, BLOCK, BLOCK + 1, 70 * BLOCK])
def test_each_slice_is_compared_with_the_one_before(size: int, encoded: tuple[bool, bool]) -> None:
    """A slice is the same if all of its elements are; only what is wanted is told, and each pair has its own tolerance."""
    array = gradients(6 * size, seed=size).reshape(6, size)
    array[1] = array[0]
    array[3] = array[2]
    array[4] = array[3] + np.float32(1e-3)
    array[5] = array[4]
    array[5, -1] += 1
    wanted = np.array([True, True, False, True, True])
    atol: Any = np.array([0.0, 0.0, 0.0, 2e-3, 0.0])
    pairs = SlicePairs(run_of(array, encoded[0], 1), run_of(array, encoded[1], 0), wanted, 0.0, atol)
    with Threads(1) as workers:
        assert same_slices([pairs], workers)[0].tolist() == [True, False, False, True, False]
        strict = same_slices([pairs._replace(atol=np.zeros(5))], workers)[0]
        assert strict.tolist() == [True, False, False, False, False]


@pytest.mark.parametrize("encoded", [False, True])
def test_a_slice_far_on_is_found(encoded: bool) -> None:
    """The last slice of one tensor is compared with the first of another; an encoded one is read up to there."""
    a, b = gradients(5 * 20_000, seed=1).reshape(5, -1), gradients(3 * 20_000, seed=2).reshape(3, -1)
    one = np.ones(1, np.bool_)
    for same in (False, True):
        pairs = SlicePairs(run_of(a, encoded, 0), run_of(b, encoded, 2), one, 1e-6, np.zeros(1))
        with Threads(1) as workers:
            assert same_slices([pairs], workers)[0].tolist() == [same]
        b[2] = a[0]
