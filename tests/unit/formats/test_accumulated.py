"""Several files are read as one, which can be sent to another process."""

import pickle
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.official import save

from gradclip_cli.formats import FORMATS
from gradclip_cli.formats.accumulated import PortableAccumulation
from gradclip_cli.formats.base import Options
from gradclip_cli.formats.opening import opened
from gradclip_cli.formats.portable import PortableReader
from gradclip_cli.tensors import split

NUMBERS = range(3)


def arrays(number: int) -> dict[str, Any]:
    """Small neighbours of two dtypes, and an integer."""
    rng = np.random.default_rng(number)
    small = {f"a{k}": rng.standard_normal(4).astype(np.float32) for k in range(5)}
    return {**small, "b0": rng.standard_normal(4).astype(np.float16), "c": np.arange(2), "d": rng.standard_normal(3)}


@pytest.fixture(params=FORMATS)
def accumulation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PortableAccumulation]:
    """Three open files as one."""
    with ExitStack() as stack:
        parts = []
        for number in NUMBERS:
            path = save(tmp_path, request.param, arrays(number), f"m{number}")
            parts.append(PortableReader.of(*stack.enter_context(opened(str(path), Options())), Options()))
        yield PortableAccumulation(parts, "sum")


def total(name: str) -> Any:
    """The sum of a tensor by numpy."""
    first, *others = [arrays(number)[name].astype(np.float64) for number in NUMBERS]
    for other in others:
        first = first + other
    return first


def test_floats_are_added_and_all_else_is_of_the_first(accumulation: PortableAccumulation) -> None:
    """Every float tensor is float64 and the sum of all files; small neighbours are read at once, with the same bits."""
    for source in (accumulation, pickle.loads(pickle.dumps(accumulation))):
        reader = source.reader
        assert {spec.name: spec.dtype.name for spec in reader.tensors} == {
            name: "int64" if name == "c" else "float64" for name in arrays(0)
        }
        for piece in split(reader.tensors, range(len(reader.tensors))):
            members = reader.tensors[piece.index : piece.index + piece.count]
            raw = np.empty(sum(spec.nbytes for spec in members), np.uint8)
            reader.read(members[0], piece.start, raw)
            found = raw.view(np.int64 if members[0].name == "c" else np.float64)
            expected = [arrays(0)["c"] if spec.name == "c" else total(spec.name) for spec in members]
            assert found.tolist() == np.concatenate(expected).tolist()
        reader.verify()
    assert len(accumulation.paths) == len(accumulation.fingerprints) == 3


def test_neighbours_of_one_dtype_are_read_together(tmp_path: Path) -> None:
    """Where tensors lie side by side in all files, one reading takes several; tensors of another dtype do not join them."""
    with ExitStack() as stack:
        parts = []
        for number in NUMBERS:
            path = save(tmp_path, "safetensors", arrays(number), f"m{number}")
            parts.append(PortableReader.of(*stack.enter_context(opened(str(path), Options())), Options()))
        tensors = PortableAccumulation(parts, "mean").reader.tensors
        pieces = [[spec.name for spec in tensors[p.index : p.index + p.count]] for p in split(tensors, range(8))]
    assert sorted(pieces) == [["a0", "a1", "a2", "a3", "a4"], ["b0"], ["c"], ["d"]]
