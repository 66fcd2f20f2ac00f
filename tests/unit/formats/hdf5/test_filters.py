"""A dataset that a filter has packed which is not there is named with it, or copied as it lies."""

import os
import struct
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t, h5z

from gradclip_cli import apply, check, diff, stats
from gradclip_cli.commands.plans import LsPlan
from gradclip_cli.errors import InputError
from gradclip_cli.formats.hdf5 import filters
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.pipeline import ls

LEFT: dict[str, Any] = {"exclude": ("*/packed", "*/counts")}


def packed(file: h5py.File, name: str, number: int, kind: object = h5t.IEEE_F32LE, skipped: int = 0) -> None:
    """Make a dataset of 4 by 4 in one chunk that a filter has packed, whatever is in it; a bit in `skipped` says it has not."""
    plan = h5p.create(h5p.DATASET_CREATE)
    plan.set_chunk((4, 4))
    plan.set_filter(number, h5z.FLAG_OPTIONAL, (2, 2, 4, 64))
    group = file.require_group(os.path.dirname(name))
    dataset = h5d.create(group.id, os.path.basename(name).encode(), kind, h5s.create_simple((4, 4)), plan)
    data = np.full(16, 0.5, np.float32).tobytes() if skipped else b"whatever it is"
    dataset.write_direct_chunk((0, 0), data, skipped)


@pytest.fixture
def foreign(path: Path) -> Path:
    """A file of two packed datasets, one of them of integers, and of two that can be read, of norms 2 and 6."""
    with h5py.File(path, "w") as file:
        packed(file, "emb/packed", 32001)
        packed(file, "emb/counts", 32015, h5t.STD_I32LE)
        file["fc/bias"] = np.ones(4, np.float32)
        file.create_dataset("fc/kernel", data=np.full((3, 3), 2.0), chunks=(2, 2), compression="gzip")
    return path


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (307, r"bzip2 \(HDF5 filter 307\)"),
        (32001, r"blosc \(HDF5 filter 32001\)"),
        (32004, r"lz4 \(HDF5 filter 32004\)"),
        (32008, r"bitshuffle \(HDF5 filter 32008\)"),
        (32013, r"zfp \(HDF5 filter 32013\)"),
        (32015, r"zstd \(HDF5 filter 32015\)"),
        (40000, r"HDF5 filter 40000"),
    ],
)
def test_the_filter_and_the_ways_out_are_named(number: int, told: str, path: Path) -> None:
    """The error names the dataset, the filter by its name and number, h5repack and --exclude."""
    with h5py.File(path, "w") as file:
        packed(file, "emb/w", number)
    with pytest.raises(InputError, match=f"is packed by {told}, .* h5repack -f NONE IN OUT, .* --exclude") as caught:
        stats(path)
    assert (caught.value.tensor, caught.value.exit_code) == ("emb/w", 3)


def test_what_is_left_out_is_never_unpacked(foreign: Path) -> None:
    """Norms, checks and comparisons go by what they take: 2 and 6 make the square root of 40."""
    assert stats(foreign, **LEFT).dumps[0].norm == pytest.approx(40**0.5, rel=1e-12)
    assert stats(foreign, include=("fc/*",)).dumps[0].norm == pytest.approx(40**0.5, rel=1e-12)
    assert check(foreign, **LEFT).findings == []
    assert diff(foreign, foreign, **LEFT).equal


def test_integers_need_not_be_unpacked(foreign: Path) -> None:
    """Integers count in no norm, so nobody has to unpack them."""
    assert stats(foreign, exclude=("emb/packed",)).dumps[0].norm == pytest.approx(40**0.5, rel=1e-12)


def test_they_are_listed(foreign: Path) -> None:
    """A listing reads no element."""
    report = ls(LsPlan((single(str(foreign)),)))
    assert [row.name for row in report.tensors] == ["emb/counts", "emb/packed", "fc/bias", "fc/kernel"]


@pytest.mark.parametrize("name", ["emb/packed", "emb/counts"])
def test_a_copy_has_them_as_they_lie(name: str, foreign: Path, tmp_path: Path) -> None:
    """HDF5 written from HDF5 holds the packed bytes, and clips the others."""
    out = tmp_path / "out.h5"
    apply(foreign, out, strategy="clip-by-global-norm", threshold=1.0, **LEFT)
    with h5py.File(out) as file:
        assert file[name].id.read_direct_chunk((0, 0)) == (0, b"whatever it is")
        np.testing.assert_allclose(file["fc/kernel"][:], 2 / 40**0.5, rtol=1e-12)


def test_other_formats_would_unpack_them(foreign: Path, tmp_path: Path) -> None:
    """What is left out is written too, so a conversion refuses what it cannot unpack, and leaves nothing behind."""
    with pytest.raises(InputError, match="leaves it packed in HDF5"):
        apply(foreign, tmp_path / "out.npz", strategy="none", **LEFT)
    assert os.listdir(tmp_path) == [foreign.name]


def test_a_filter_that_packed_nothing(path: Path) -> None:
    """A dataset without chunks reads as zeros, and a chunk that skipped the filter as it is: 16 times 0.5 has norm 2."""
    with h5py.File(path, "w") as file:
        packed(file, "a/skipped", 32015, skipped=1)
        plan = h5p.create(h5p.DATASET_CREATE)
        plan.set_chunk((4,))
        plan.set_filter(32015, h5z.FLAG_OPTIONAL, ())
        h5d.create(file.id, b"unwritten", h5t.IEEE_F32LE, h5s.create_simple((8,)), plan)
    assert stats(path).dumps[0].norm == 2.0


def test_own_filters() -> None:
    """What HDF5 and h5py include is read."""
    assert [number for number in (1, 2, 3, 4, 5, 6, 32000, 32001, 307, 256) if filters.is_own(number)] == [
        1, 2, 3, 4, 5, 6, 32000,
    ]  # fmt: skip


def test_what_is_left_out_shares_no_bytes(path: Path) -> None:
    """A chunk of a dataset that is left out, where a gradient lies, is refused: to change one would change the other."""
    with h5py.File(path, "w") as file:
        other = file.create_dataset("left", data=np.ones(8, np.float32), chunks=(8,)).id
        gradient = file.create_dataset("w", data=np.ones(16, np.float32)).id
        old, new = other.get_chunk_info(0).byte_offset, gradient.get_offset()
    data = path.read_bytes()
    assert data.count(struct.pack("<Q", old)) == 1
    path.write_bytes(data.replace(struct.pack("<Q", old), struct.pack("<Q", new)))
    with pytest.raises(InputError, match="shares its bytes with another dataset"):
        stats(path, exclude=("left",))


def test_what_is_left_out_may_be_damaged(path: Path) -> None:
    """What is not unpacked need not be whole, and is copied as it is; integers that are taken have to be."""
    with h5py.File(path, "w") as file:
        file.create_dataset("n", data=np.arange(500), chunks=(500,), compression="gzip")
        file["w"] = np.full(4, 2.0)
        chunk = file["n"].id.get_chunk_info(0)
    data = bytearray(path.read_bytes())
    data[chunk.byte_offset + 9 : chunk.byte_offset + 12] = b"\xff\xff\xff"
    path.write_bytes(data)
    assert stats(path, exclude=("n",)).dumps[0].norm == 4.0
    with pytest.raises(InputError, match="n: HDF5 cannot read it"):
        stats(path)
