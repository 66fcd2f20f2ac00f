"""A tensor in pieces is read like one in a file, whatever range is asked for."""

from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from gradclip_cli.engine.joined import Joined, JoinedPiece
from gradclip_cli.formats.base import Options
from gradclip_cli.formats.opening import opened
from gradclip_cli.formats.portable import PortableReader

CUTS: dict[str, list[tuple[int, ...]]] = {
    "rows": [(0, 1, 3, 5), (0, 4), (0, 3)],
    "columns": [(0, 5), (0, 1, 4), (0, 3)],
    "last axis": [(0, 5), (0, 4), (0, 2, 3)],
    "blocks": [(0, 2, 5), (0, 3, 4), (0, 1, 3)],
    "whole": [(0, 5), (0, 4), (0, 3)],
}


def pieces(folder: Path, array: NDArray[np.float32], cuts: list[tuple[int, ...]]) -> Joined:
    """Write each block of a tensor to a file of its own."""
    found = []
    for k, block in enumerate(product(*map(pairwise, cuts))):
        path = folder / f"{k}.safetensors"
        ranges = tuple(slice(start, stop) for start, stop in block)
        save_file({"pad": np.zeros(k, np.float32), "w": np.asarray(array[ranges], order="C")}, path)
        with opened(str(path), Options()) as (format, reader):
            spec = next(spec for spec in reader.tensors if spec.name == "w")
            how = PortableReader.of(format, reader, Options()).__reduce__()[1]
        found.append(JoinedPiece(PortableReader(*how), spec, tuple(start for start, _ in block)))
    return Joined(array.shape, found)


@pytest.mark.parametrize("cut", CUTS)
def test_any_range_is_that_of_the_whole_tensor(tmp_path: Path, cut: str) -> None:
    """Elements come in row-major order, from any one to any other."""
    array = np.arange(60, dtype=np.float32).reshape(5, 4, 3)
    joined = pieces(tmp_path, array, CUTS[cut])
    assert (joined.spec.shape, joined.spec.name, joined.path) == ((5, 4, 3), "w", str(tmp_path / "0.safetensors"))
    for start in range(0, 60, 7):
        for stop in range(start, 61, 5):
            raw = np.zeros(4 * (stop - start), np.uint8)
            joined.read(joined.spec, start, raw)
            np.testing.assert_array_equal(raw.view(np.float32), array.ravel()[start:stop])


@pytest.mark.parametrize("shape", [(), (0, 3)])
def test_scalars_and_empty_tensors(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """A tensor without axes has one element, one without elements none."""
    array = np.full(shape, 7, np.float32)
    joined = pieces(tmp_path, array, [(0, size) for size in shape])
    raw = np.zeros(array.nbytes, np.uint8)
    joined.read(joined.spec, 0, raw)
    np.testing.assert_array_equal(raw.view(np.float32), array.ravel())
