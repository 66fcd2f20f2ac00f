"""Small datasets are read together, however they are stored, and damage to one is told by its name."""

import os
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.matrices import heavy
from support.tensors import PLAIN

import gradclip_cli
from gradclip_cli.errors import InputError
from gradclip_cli.formats.hdf5.small_datasets import MOST_DATASETS
from gradclip_cli.formats.opening import opened
from unit.formats.hdf5.made import MANY, many, spoil

NAMES = [f"p{k:04}" for k in range(50)]


@pytest.mark.parametrize("storage", MANY)
def test_what_h5py_wrote_is_read_in_one_go(storage: str, path: Path) -> None:
    """The elements of neighbours come one after the other, from whichever on they are asked for."""
    values = many(path, NAMES, **MANY[storage])
    with opened(str(path), PLAIN) as (_, reader):
        for first, last in ((0, 50), (7, 9), (40, 50)):
            out = np.zeros(values[first:last].nbytes, np.uint8)
            reader.read(reader.tensors[first], 0, out)
            assert out.tobytes() == values[first:last].tobytes()
        reader.verify(rest=range(50))


def test_all_ways_of_storage_beside_each_other(path: Path) -> None:
    """A file may store every dataset in another way: scalars, unwritten ones, and chunks of which some are missing, too."""
    names = [f"a{k}" for k in range(12)]
    values = many(path, names[: len(MANY)])
    with h5py.File(path, "w") as file:
        for name, one, storage in zip(names, values, MANY.values(), strict=False):
            file.create_dataset(name, data=one, **storage)
        file.create_dataset("b0", (6, 4), "f4", chunks=(4, 4), compression="gzip", fillvalue=2.5)
        file.create_dataset("b1", (6, 4), "f4", chunks=(4, 4), compression="gzip", fillvalue=1.5)[:3] = 7
        file.create_dataset("b2", (6, 4), "f4", fillvalue=3.5)
        wanted = [*values, *(file[name][()] for name in ("b0", "b1", "b2"))]
    with opened(str(path), PLAIN) as (_, reader):
        out = np.zeros(96 * len(wanted), np.uint8)
        reader.read(reader.tensors[0], 0, out)
    assert out.tobytes() == np.array(wanted, np.float32).tobytes()


@pytest.mark.parametrize(
    ("storage", "most"),
    [("single", 2), pytest.param("several", 2, marks=heavy), ("lzf", 4), pytest.param("checked", 4, marks=heavy)],
)
def test_a_thousand_datasets_take_few_messages(storage: str, most: int, path: Path, asked: Counter[str]) -> None:
    """It takes one walk, and less than `most` requests for each thousand of datasets, to measure 2,500 of them."""
    many(path, [f"p{k:04}" for k in range(2500)], **MANY[storage])
    gradclip_cli.stats(path)
    assert asked.pop("walk") == 1
    assert 1 <= asked.total() <= most * (2500 // MOST_DATASETS + 1)


def test_they_are_compared_in_few_messages(path: Path, tmp_path: Path, asked: Counter[str]) -> None:
    """A thousand datasets that lie in two files in different ways are the same; one that is not is told by its name."""
    names = [f"p{k:04}" for k in range(1000)]
    other = tmp_path / "other.h5"
    for each, storage in ((path, MANY["single"]), (other, MANY["lzf"])):
        many(each, names, **storage)
    with h5py.File(other, "r+") as file:
        file["p0500"][3, 2] = 7
    found = gradclip_cli.diff(path, other)
    assert [row.name for row in found.params if row.max_abs_diff] == ["p0500"]
    assert asked.total() <= 2 + 3 * (24_000 // 8192 + 1)


@pytest.mark.parametrize("storage", ["single", "shuffled", "several", "checked"])
def test_damage_to_one_among_many(storage: str, path: Path, tmp_path: Path) -> None:
    """Of two damaged datasets the first is told by its name; those around it can be read, and no output is left."""
    values = many(path, NAMES, **MANY[storage])
    spoil(path, "p0031")
    spoil(path, "p0044")
    with pytest.raises(InputError, match="HDF5 cannot read it") as caught:
        gradclip_cli.stats(path)
    assert (caught.value.path, caught.value.tensor) == (str(path), "p0031")
    with pytest.raises(InputError, match="HDF5 cannot read it") as caught:
        gradclip_cli.apply(path, tmp_path / "out.h5", strategy="clip-by-norm", threshold=1)
    assert caught.value.tensor == "p0031"
    assert os.listdir(tmp_path) == [path.name]
    found = gradclip_cli.stats(path, exclude=["p0031", "p0044"]).dumps[0].norm
    assert found == pytest.approx(np.linalg.norm(np.delete(values, [31, 44], 0).astype(np.float64)), rel=1e-12)


@pytest.mark.usefixtures("harm")
def test_what_does_harm_is_told_before_later_damage(path: Path) -> None:
    """A dataset of which the library dies is told by its name, unless one before it is damaged, whatever is found out first."""
    names = [*NAMES[:31], "p0031deadly", *NAMES[32:]]
    many(path, names, **MANY["single"])
    spoil(path, "p0044")
    with pytest.raises(InputError, match="SIGSEGV") as caught:
        gradclip_cli.stats(path)
    assert caught.value.tensor == "p0031deadly"
    spoil(path, "p0012")
    with pytest.raises(InputError, match="cannot be unpacked") as caught:
        gradclip_cli.stats(path)
    assert caught.value.tensor == "p0012"


def test_a_chunk_that_claims_much(path: Path) -> None:
    """A chunk said to have more bytes than its elements could ever need is read by itself, and refused as any other."""
    many(path, NAMES[:3], **MANY["single"])
    with h5py.File(path) as file:
        chunk = file["p0001"].id.get_chunk_info(0)
    data = bytearray(path.read_bytes())
    at = data.index(chunk.byte_offset.to_bytes(8, "little")) - 32  # the key before the address of the chunk
    assert int.from_bytes(data[at : at + 4], "little") == chunk.size
    data[at : at + 4] = (len(data) - chunk.byte_offset - 1).to_bytes(4, "little")
    path.write_bytes(data)
    with opened(str(path), PLAIN) as (_, reader):
        out = np.zeros(96 * 3, np.uint8)
        reader.read(reader.tensors[0], 0, out)  # what follows the packed elements is ignored, as ever
