"""What h5py wrote is read as it lies in the file, or refused with the reason."""

import os
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t
from support.tensors import gradients, read_all

from gradclip_cli.errors import InputError
from gradclip_cli.numerics.dtypes import from_numpy
from unit.formats.hdf5.made import PACKED, numbers


@pytest.mark.parametrize("storage", PACKED)
@pytest.mark.parametrize("code", ["<f4", ">f4", "<f8", ">f8", "<f2", "<i4", "?", "<c8"])
def test_what_h5py_wrote_is_read(path: Path, storage: str, code: str) -> None:
    """Datasets of every type and storage are read in C order as they lie in the file, byte order included."""
    with h5py.File(path, "w") as file:
        file.create_dataset("a/w", data=numbers(code), **PACKED[storage])
    spec, data = read_all(path)["a/w"]
    assert (spec.dtype, spec.shape, data) == (from_numpy(np.dtype(code)), (10, 8), numbers(code).tobytes())
    assert (spec.offset is None) == (storage != "contiguous")


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (7,), (1, 2, 1, 3)])
@pytest.mark.parametrize("compact", [False, True])
def test_shapes_and_compact_storage(path: Path, shape: tuple[int, ...], compact: bool) -> None:
    """Scalars, empty datasets, and those that lie in the header are read."""
    array = np.arange(prod(shape), dtype="f4").reshape(shape)
    with h5py.File(path, "w") as file:
        plan = h5p.create(h5p.DATASET_CREATE)
        plan.set_layout(h5d.COMPACT if compact else h5d.CONTIGUOUS)
        space = h5s.create_simple(shape) if shape else h5s.create(h5s.SCALAR)
        dataset = h5py.Dataset(h5d.create(file.id, b"w", h5t.IEEE_F32LE, space, plan))
        if array.size:
            dataset[...] = array
    spec, data = read_all(path)["w"]
    assert (spec.shape, data) == (shape, array.tobytes())


def external(file: h5py.File) -> None:
    """A dataset whose elements lie in another file."""
    file.create_dataset("w", (4,), "f4", external=[("elsewhere.bin", 0, 16)])


def virtual(file: h5py.File) -> None:
    """A dataset that is a view of another file's."""
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "w", (4,))
    file.create_virtual_dataset("w", layout)


def other_file(file: h5py.File) -> None:
    """A link to another file."""
    file["w"] = h5py.ExternalLink("elsewhere.h5", "/w")


def only_words(file: h5py.File) -> None:
    """No number at all."""
    file["w"] = "hello"


def huge(file: h5py.File) -> None:
    """A dataset of far more elements than the file holds."""
    file.create_dataset("w", (1 << 33,), "f4", chunks=(1 << 20,))


def huge_chunks(file: h5py.File) -> None:
    """A chunk far larger than its dataset."""
    file.create_dataset("w", (4,), "f4", chunks=(1 << 28,), maxshape=(None,))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (external, "in other files"),
        (virtual, "in other files"),
        (other_file, "link to another file"),
        (only_words, "no dataset of numbers"),
        (huge, "--allow-huge"),
        (huge_chunks, "has chunks of"),
    ],
)
def test_what_is_refused(path: Path, make: Any, reason: str) -> None:
    """Elements elsewhere, no numbers, and sizes that the file cannot have are refused in one line."""
    with h5py.File(path, "w") as file:
        make(file)
    with pytest.raises(InputError, match=reason) as caught:
        read_all(path)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("keep", [8, 100, 600, 2000])
def test_a_file_cut_short(path: Path, keep: int) -> None:
    """A file that lacks its end is an error of the input, in one line."""
    with h5py.File(path, "w") as file:
        file["w"] = numbers()
    os.truncate(path, keep)
    with pytest.raises(InputError) as caught:
        read_all(path)
    assert str(caught.value).isprintable()


def test_a_damaged_chunk(path: Path) -> None:
    """A compressed chunk that cannot be unpacked is an error that names file and dataset."""
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("a/w", data=numbers(), chunks=(10, 8), compression="gzip")
        chunk = dataset.id.get_chunk_info(0)
    data = bytearray(path.read_bytes())
    data[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(data)
    with pytest.raises(InputError, match="HDF5 cannot read it") as caught:
        read_all(path)
    assert caught.value.tensor == "a/w"


def test_what_is_held_at_once(path: Path) -> None:
    """A chunk is unpacked in one piece, which a tensor says beforehand."""
    with h5py.File(path, "w") as file:
        file.create_dataset("chunked", data=gradients(600).reshape(20, 30), chunks=(5, 30))
        file["plain"] = gradients(600)
    assert {name: spec.held for name, (spec, _) in read_all(path).items()} == {"chunked": 600, "plain": 0}
