"""Column-major tensors are read in row-major order, whatever is asked for at once."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gradclip_cli.engine import row_major
from gradclip_cli.engine.row_major import RowMajorReader, row_major_boxes
from gradclip_cli.errors import OutputError
from gradclip_cli.numerics.dtypes import Raw, from_numpy
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.tensors import TensorSpec

SHAPES = [(2, 900), (2, 3, 50), (4, 6), (1, 7), (7, 1), (3, 4, 5), (2, 1, 3, 2), (5, 2, 1)]


def turned(array: NDArray[Any], step: int, packed: bool = False) -> bytes:
    """Read a column-major array through `RowMajorReader`, `step` elements at a time."""
    data = array.tobytes("F")
    spec = TensorSpec("t", from_numpy(array.dtype), array.shape, None if packed else 0, fortran=True)

    def read(spec: TensorSpec, start: int, out: Raw) -> None:
        out[:] = np.frombuffer(data, np.uint8, out.size, start * spec.dtype.itemsize)

    parts = []
    with RowMajorReader(read, spec, Workspace()) as reader:
        for start in range(0, array.size, step):
            out = np.empty(min(step, array.size - start) * spec.dtype.itemsize, np.uint8)
            reader.read(spec, start, out)
            parts.append(out.tobytes())
    return b"".join(parts)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("step", [1, 3, 5, 1000])
@pytest.mark.parametrize("packed", [False, True])
def test_elements_come_in_row_major_order(shape: tuple[int, ...], step: int, packed: bool) -> None:
    """Pieces of any size give the bytes that numpy gives for the array in C order, packed in the file or not."""
    array = np.random.default_rng(0).standard_normal(shape)
    assert turned(array, step, packed) == array.tobytes("C")


@pytest.mark.parametrize("code", ["f2", "<f4", ">f8", "i1", "c16"])
def test_elements_of_any_size(code: str) -> None:
    """Elements are moved as bytes, so that their type does not matter."""
    array = np.arange(60).reshape(3, 4, 5).astype(code)
    assert turned(array, 7) == array.tobytes("C")


@pytest.mark.parametrize("shape", SHAPES)
def test_boxes_cover_a_range_once(shape: tuple[int, ...]) -> None:
    """The boxes of a range follow each other, each whole in its inner axes."""
    size = int(np.prod(shape))
    for seed in range(20):
        start, stop = sorted(random.Random(seed).sample(range(size + 1), 2))
        at = start
        for begin, origin, axis, count in row_major_boxes(shape, start, stop):
            assert begin == at
            assert count > 0
            assert np.unravel_index(begin, shape) == np.unravel_index(origin, shape, order="F")
            at += count * int(np.prod(shape[axis + 1 :], dtype=int))
        assert at == stop


def test_no_more_is_read_at_once_than_is_turned_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A column that spans the whole array is read in parts, however far apart its elements lie."""
    monkeypatch.setattr(row_major, "TURNED_BYTES", 4000)
    array = np.arange(50 * 300, dtype=np.float32).reshape(50, 300)
    data, spec, asked = array.tobytes("F"), TensorSpec("t", from_numpy(array.dtype), array.shape, 0, fortran=True), []

    def read(spec: TensorSpec, start: int, out: Raw) -> None:
        asked.append(out.size)
        out[:] = np.frombuffer(data, np.uint8, out.size, start * 4)

    out = np.empty(1200, np.uint8)
    with RowMajorReader(read, spec, Workspace()) as reader:
        reader.read(spec, 300 * 7, out)
        reader.read(spec, 300 * 8 + 10, out[:800])
    assert out[800:].tobytes() == array[7].tobytes()[800:]
    assert out[:800].tobytes() == array[8, 10:210].tobytes()
    assert max(asked) <= 4000


@pytest.mark.parametrize("shape", [(2, 900), (5, 2, 1)])
def test_no_room_to_turn_it_is_told(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the temporary file does not fit, the error says so, and what to do, rather than blame an output."""
    with Path("/dev/full").open("w+b", buffering=0) as full:
        monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: full)
        with pytest.raises(OutputError, match=r"t: cannot be kept in a temporary file: no space .* TMPDIR"):
            turned(np.zeros(shape), 10, packed=True)
